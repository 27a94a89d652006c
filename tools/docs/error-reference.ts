/** `docs/errors.md`, made of the list of codes in `src/errors.ts`. */

/** A code as the source tells of it. */
export interface DocumentedCode {
  readonly code: string;
  /** What it means: the comment above it. */
  readonly meaning: string;
}

export interface CodeSection {
  readonly title: string;
  readonly codes: readonly DocumentedCode[];
}

/**
 * Reads the codes.
 * @param source text of `src/errors.ts`
 * @throws Error when a code has no comment, or something stands between them that is none: the reference would lack it
 */
export function readErrorCodes(source: string): CodeSection[] {
  const start = source.indexOf("export type ErrorCode =");
  const end = source.indexOf(";\n", start);
  if (start < 0 || end < 0) throw new Error("The list of codes was not found.");
  const list = source.slice(source.indexOf("=", start) + 1, end);
  const sections: { title: string; codes: DocumentedCode[] }[] = [];
  const pattern =
    /\s*(?:\/\/ (?<title>[^\n]+)\n|\/\*\* (?<meaning>(?:[^*]|\*(?!\/))+?) ?\*\/\s*\| "(?<code>[A-Z0-9_]+)")/y;
  while (list.slice(pattern.lastIndex).trim() !== "") {
    const at = pattern.lastIndex;
    const groups = pattern.exec(list)?.groups;
    if (!groups) throw new Error(`This is no documented code: ${list.slice(at).trim().split("\n")[0] ?? ""}`);
    const { title, meaning = "", code } = groups;
    if (title !== undefined) sections.push({ title, codes: [] });
    else if (code === undefined || sections.length === 0)
      throw new Error("The codes begin with the title of a section.");
    else sections.at(-1)!.codes.push({ code, meaning: meaning.replace(/\s*\n\s*\*\s*/g, " ").trim() });
  }
  return sections;
}

/** The whole document. */
export function errorReference(sections: readonly CodeSection[]): string {
  const lines = [
    "# Errors",
    "",
    "<!-- Made by `npm run docs:errors` from src/errors.ts: change it there. -->",
    "",
    "Every failure is a `SealwireError`: `code`, which is stable and what programs test; `message`, a sentence for a person; `cause`, the error that led to",
    "it; `reasonCode`, what an MQTT server gave. No secret ever appears in any of them.",
    "",
  ];
  for (const { title, codes } of sections) {
    lines.push(`## ${title}`, "");
    for (const { code, meaning } of codes) lines.push(`- \`${code}\`: ${meaning.replaceAll("|", "\\|")}`);
    lines.push("");
  }
  return lines.join("\n");
}
