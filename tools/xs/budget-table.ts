/** The figures of a budget as tables: for a terminal, and for a guide. */
import { readFileSync, writeFileSync } from "node:fs";
import { type Budget, type Limits, totals, wholeFirmware } from "./budget.js";

function rowsOf(budget: Budget, limits: Limits, targets: Limits): string[][] {
  const figure = (value: number | undefined): string => (value === undefined ? "" : value.toLocaleString("en"));
  const steps = new Map(budget.steps.map((step) => [step.step, step]));
  return [
    ["step", "chunks", "slots", "stack", "XS total", "budget", "target", "C stack"],
    ...Object.entries(totals(budget)).map(([name, total]) => {
      const step = steps.get(name);
      const areas = step
        ? [step.chunks, step.slots, step.stack].map(({ now, peak }) => `${figure(now)} / ${figure(peak)}`)
        : ["", "", name === wholeFirmware ? figure(budget.fit?.stack) : ""];
      return [
        name,
        ...areas,
        figure(total),
        figure(limits[name]) || "none",
        figure(targets[name]),
        figure(step?.native.peak),
      ];
    }),
  ];
}

/** Cells of one width per column: the first to the left, numbers to the right. */
function align(rows: readonly string[][]): string[][] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))));
}

export function textTable(budget: Budget, limits: Limits, targets: Limits): string {
  return textOf(rowsOf(budget, limits, targets));
}

/** As prettier would write it. */
export function markdownTable(budget: Budget, limits: Limits, targets: Limits): string {
  return markdownOf(rowsOf(budget, limits, targets));
}

/** @param rows the head first */
export function textOf(rows: readonly string[][]): string {
  return align(rows)
    .map((row) => row.join("  ").trimEnd())
    .join("\n");
}

/** @param rows the head first */
export function markdownOf(rows: readonly string[][]): string {
  const [head, ...body] = align(rows);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head!.map((cell, i) => (i === 0 ? "-".repeat(cell.length) : `${"-".repeat(cell.length - 1)}:`));
  return [head!, rule, ...body].map(line).join("\n");
}

/** The places in guides: of the plain session, of TLS, of what fits a chip. */
export const places = {
  session: "<!-- npm run budget -->",
  tls: "<!-- npm run budget: TLS -->",
  chip: "<!-- npm run budget: chip -->",
} as const;
const end = "<!-- end -->";

/** @returns the table of a guide behind a marker, or `undefined` when it has none */
export function tableIn(guide: string, begin: string = places.session): string | undefined {
  const from = guide.indexOf(begin);
  const to = guide.indexOf(end, from);
  return from < 0 || to < 0 ? undefined : guide.slice(from + begin.length, to).trim();
}

/** Replaces the tables of a file that it has places for. @throws Error when it has none */
export function writeTables(file: string, tables: Readonly<Record<keyof typeof places, string>>): void {
  let text = readFileSync(file, "utf8");
  let written = 0;
  for (const [name, begin] of Object.entries(places) as [keyof typeof places, string][]) {
    if (tableIn(text, begin) === undefined) continue;
    const from = text.indexOf(begin) + begin.length;
    text = `${text.slice(0, from)}\n\n${tables[name]}\n\n${text.slice(text.indexOf(end, from))}`;
    written++;
  }
  if (written === 0) throw new Error(`${file} has no place for a table, such as between ${places.session} and ${end}.`);
  writeFileSync(file, text);
}
