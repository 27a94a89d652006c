/** The figures of a budget as tables: for a terminal, and for a guide. */
import { readFileSync, writeFileSync } from "node:fs";
import { addedByStreaming, totalOf, totals, type Limits, type Step } from "./budget.js";

function rowsOf(steps: readonly Step[], limits: Limits, targets: Limits): string[][] {
  const figure = (value: number | undefined): string => (value === undefined ? "" : value.toLocaleString("en"));
  const added = totals(steps)[addedByStreaming];
  return [
    ["step", "chunks", "slots", "stack", "XS total", "budget", "target", "C stack"],
    ...steps.map((step) => [
      step.step,
      ...[step.chunks, step.slots, step.stack].map(({ now, peak }) => `${figure(now)} / ${figure(peak)}`),
      figure(totalOf(step)),
      figure(limits[step.step]) || "none",
      figure(targets[step.step]),
      figure(step.native.peak),
    ]),
    ...(added === undefined
      ? []
      : [
          [
            addedByStreaming,
            "",
            "",
            "",
            figure(added),
            figure(limits[addedByStreaming]),
            figure(targets[addedByStreaming]),
            "",
          ],
        ]),
  ];
}

function align(rows: readonly string[][]): string[][] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))));
}

export function textTable(steps: readonly Step[], limits: Limits, targets: Limits): string {
  return align(rowsOf(steps, limits, targets))
    .map((row) => row.join("  ").trimEnd())
    .join("\n");
}

/** As prettier would write it. */
export function markdownTable(steps: readonly Step[], limits: Limits, targets: Limits): string {
  const [head, ...body] = align(rowsOf(steps, limits, targets));
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head!.map((cell, i) => (i === 0 ? "-".repeat(cell.length) : `${"-".repeat(cell.length - 1)}:`));
  return [head!, rule, ...body].map(line).join("\n");
}

const begin = "<!-- npm run budget -->";
const end = "<!-- end -->";

/** @returns the table between the markers of a guide, or `undefined` when it has none */
export function tableIn(guide: string): string | undefined {
  const from = guide.indexOf(begin);
  const to = guide.indexOf(end, from);
  return from < 0 || to < 0 ? undefined : guide.slice(from + begin.length, to).trim();
}

/** Replaces the table between the markers of a file. @throws Error when it has none */
export function writeTable(file: string, table: string): void {
  const text = readFileSync(file, "utf8");
  if (tableIn(text) === undefined) throw new Error(`${file} has no place for the table, between ${begin} and ${end}.`);
  const from = text.indexOf(begin) + begin.length;
  writeFileSync(file, `${text.slice(0, from)}\n\n${table}\n\n${text.slice(text.indexOf(end, from))}`);
}
