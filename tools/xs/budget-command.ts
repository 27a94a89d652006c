/** The command line of `npm run budget`. */
import { Command } from "commander";
import { type Budget, measureBudget, overruns, readLimits, targets, totalOf } from "./budget.js";
import { markdownOf, markdownTable, textOf, textTable, writeTables } from "./budget-table.js";
import {
  heapFaults,
  measureHeaps,
  measureProfile,
  profileOverruns,
  profileRows,
  readProfileLimits,
  staticTarget,
} from "./chip-profile.js";
import { measureFit } from "./firmware-fit.js";
import { hostOrSkip } from "./host-or-skip.js";
import {
  measureTLSBudget,
  readTLSLimits,
  tlsOverruns,
  tlsRows,
  tlsStart,
  tlsTargets,
  totalOfXS,
} from "./tls-budget.js";

const explanation = `Bytes, 32-bit XS, built-ins and preloaded modules in flash. Used at the end of a step / the smallest hard cap with
which the firmware comes through it. XS total: the three caps together. Target: a client without a session, by the same method.
C stack: the deepest point, painted; of the desktop's compiler. Telemetry: the smallest --static with which examples/plain-telemetry comes
through a wake, and the smallest stack.`;

const tlsExplanation = `Mutual TLS on P-256, both sides with an issuing authority, against OpenSSL; native: bytes of TLS and cryptography, beyond those of the
credentials, which lie in flash. "TLS 1.2 alone": with a library that has no TLS 1.3. Start: what was measured when the target was set. C stack, TLS: of the native
functions, from where the engine calls them; thread: with the engine's own frames.`;

const profileExplanation = `An ESP8266 has 42,888 bytes for all heaps of a firmware; 10,240 are put aside for Wi-Fi and lwIP, 3,400 for constants of TLS. XS: of a session the three caps together; of
the telemetry firmware (examples/telemetry, a Device with its vault and mutual TLS 1.2) the smallest --static. Native: TLS and cryptography at the peak.
Fits: it came to its end with both capped, together at what the chip has. "Alone": with
heap (budget) and stack of a fixed size, as in hosts/esp8266/manifest.json, the library without TLS 1.3, and native memory capped at the rest.`;

interface Arguments {
  readonly json?: true;
  readonly markdown?: true;
  readonly write: readonly string[];
}

/** @returns what is larger than it may be, a sentence each */
async function measure(values: Arguments): Promise<string[]> {
  const budget: Budget = { steps: await measureBudget(), fit: await measureFit() };
  const limits = readLimits();
  const tls = await measureTLSBudget();
  const tlsLimits = readTLSLimits();
  const profile = await measureProfile();
  const profileLimits = readProfileLimits();
  const heaps = await measureHeaps();
  const sessions = tls.flatMap((step) => {
    const xs = totalOfXS(step);
    // Of an open connection nothing is told: it needs less than what led to it.
    if (xs === undefined || step.fits === undefined || step.step.endsWith(" open")) return [];
    return [{ step: step.step, xs, native: step.library.peak, fits: step.fits }];
  });
  const tables = {
    session: markdownTable(budget, limits, targets),
    tls: markdownOf(tlsRows(tls, tlsLimits, tlsTargets)),
    chip: markdownOf(profileRows(profile, sessions, profileLimits, heaps)),
  };
  if (values.json)
    console.log(
      JSON.stringify({
        unit: "bytes",
        steps: budget.steps.map((step) => ({ ...step, total: totalOf(step) })),
        telemetry: budget.fit,
        tls: tls.map((step) => ({ ...step, total: totalOfXS(step) })),
        profile,
        heaps,
        limits: { ...limits, TLS: tlsLimits, profile: profileLimits },
        targets: { ...targets, TLS: tlsTargets, static: staticTarget },
        start: { TLS: tlsStart },
      }),
    );
  else if (values.markdown) console.log(Object.values(tables).join("\n\n"));
  else {
    const text = [
      explanation,
      textTable(budget, limits, targets),
      tlsExplanation,
      textOf(tlsRows(tls, tlsLimits, tlsTargets)),
    ];
    console.log(
      [...text, profileExplanation, textOf(profileRows(profile, sessions, profileLimits, heaps))].join("\n\n"),
    );
  }
  for (const file of values.write) writeTables(file, tables);
  return [
    ...overruns(budget, limits),
    ...tlsOverruns(tls, tlsLimits),
    ...profileOverruns(profile, profileLimits),
    ...heapFaults(heaps[0]),
  ];
}

await new Command("budget")
  .description("Finds the memory that each step needs on 32-bit XS, and fails when one exceeds test/budget.json.")
  .option("--json", "the figures as one JSON object")
  .option("--markdown", "the tables for a guide")
  .option(
    "--write <file>",
    "put the tables into a guide, between their markers (repeat as needed)",
    (file: string, all: string[]) => [...all, file],
    [],
  )
  .action(async (values: Arguments) => {
    const variant = { bits: 32, sanitize: false } as const;
    if (!(await hostOrSkip(variant, { ...variant, tls12: true }))) return;
    const faults = await measure(values);
    for (const fault of faults) console.error(fault);
    if (faults.length > 0) process.exitCode = 1;
  })
  .parseAsync();
