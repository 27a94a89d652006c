/** Patterns of AWS policies: `*` for any characters, `?` for one, `${...}` for a variable or an escaped character. */

/** A pattern as tokens: characters, `any` (of any number), `one`, and variables, which hold neither slash nor wildcard. */
type Token =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any" | "one" | "variable"; readonly text: string };

function tokens(pattern: string): Token[] {
  const list: Token[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!;
    if (pattern.startsWith("${", i)) {
      const end = pattern.indexOf("}", i);
      const name = pattern.slice(i + 2, end);
      list.push(/^[*?$]$/.test(name) ? { kind: "text", text: name } : { kind: "variable", text: name });
      i = end;
    } else list.push({ kind: character === "*" ? "any" : character === "?" ? "one" : "text", text: character });
  }
  return list;
}

/**
 * Whether there may be a text that both patterns match. A variable may have any value without a slash, the same one not being told apart
 * from another: the answer errs towards true.
 */
export function overlap(one: string, other: string): boolean {
  const a = tokens(one);
  const b = tokens(other);
  const known = new Map<number, boolean>();
  const meet = (i: number, j: number): boolean => {
    const key = i * (b.length + 1) + j;
    const found = known.get(key);
    if (found !== undefined) return found;
    known.set(key, false);
    const answer = step(i, j);
    known.set(key, answer);
    return answer;
  };
  const step = (i: number, j: number): boolean => {
    const x = a[i];
    const y = b[j];
    if (x === undefined && y === undefined) return true;
    // What may stand for nothing or for several characters: it ends here, or takes what the other side has next.
    if (x?.kind === "any" || x?.kind === "variable") {
      if (meet(i + 1, j)) return true;
      if (y === undefined) return false;
      return takes(x, y) && meet(i, j + 1);
    }
    if (y?.kind === "any" || y?.kind === "variable") {
      if (meet(i, j + 1)) return true;
      if (x === undefined) return false;
      return takes(y, x) && meet(i + 1, j);
    }
    if (x === undefined || y === undefined) return false;
    return (x.kind === "one" || y.kind === "one" || x.text === y.text) && meet(i + 1, j + 1);
  };
  return meet(0, 0);
}

function takes(wild: Token, next: Token): boolean {
  return wild.kind === "any" || next.kind !== "text" || next.text !== "/";
}
