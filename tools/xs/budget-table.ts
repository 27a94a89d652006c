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
