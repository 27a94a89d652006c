/** Reads EMQX's acl.conf: the part of Erlang's syntax that it uses, and how EMQX decides by it. */
type Term = string | number | { readonly atom: string } | { readonly tuple: readonly Term[] } | readonly Term[];

export interface EMQXRule {
  readonly permission: "allow" | "deny";
  readonly action: "all" | "publish" | "subscribe";
  readonly qos: readonly number[];
  readonly topics: readonly string[];
}

/** Throws where Erlang's `file:consult` or EMQX would. */
export function parseACL(text: string): EMQXRule[] {
  let at = 0;
  const blank = (): void => {
    at += /^(\s|%[^\n]*(\n|$))*/.exec(text.slice(at))![0].length;
  };
  const expect = (token: string): void => {
    blank();
    if (!text.startsWith(token, at)) throw new Error(`${token} expected at ${text.slice(at, at + 20)}`);
    at += token.length;
  };
  const list = (end: string): Term[] => {
    const terms: Term[] = [];
    blank();
    while (!text.startsWith(end, at)) {
      if (terms.length > 0) expect(",");
      terms.push(term());
      blank();
    }
    at += end.length;
    return terms;
  };
  const term = (): Term => {
    blank();
    const rest = text.slice(at);
    if (rest.startsWith("{")) {
      at++;
      return { tuple: list("}") };
    }
    if (rest.startsWith("[")) {
      at++;
      return list("]");
    }
    const string = /^"((?:[^"\\\n]|\\["\\]|\\x\{[0-9a-f]+\})*)"/.exec(rest);
    if (string) {
      at += string[0].length;
      return string[1]!.replace(/\\(?:x\{([0-9a-f]+)\}|(.))/g, (_, code: string | undefined, character: string) =>
        code === undefined ? character : String.fromCodePoint(Number.parseInt(code, 16)),
      );
    }
    const word = /^([a-z][A-Za-z0-9_]*|\d+)/.exec(rest);
    if (!word) throw new Error(`no term at ${rest.slice(0, 20)}`);
    at += word[0].length;
    return /^\d/.test(word[0]) ? Number(word[0]) : { atom: word[0] };
  };
  const rules: EMQXRule[] = [];
  blank();
  while (at < text.length) {
    rules.push(ruleOf(term()));
    expect(".");
    blank();
  }
  return rules;
}

function ruleOf(term: Term): EMQXRule {
  const tuple = elements(term);
  const permission = atom(tuple[0]!);
  if (permission !== "allow" && permission !== "deny") throw new Error("invalid permission");
  if (atom(tuple[1]!) !== "all") throw new Error("invalid client");
  if (tuple.length === 2) return { permission, action: "all", qos: [0, 1, 2], topics: ["#"] };
  if (tuple.length !== 4) throw new Error("invalid rule");
  const topics = tuple[3] as readonly string[];
  if (!Array.isArray(topics) || topics.some((topic) => typeof topic !== "string")) throw new Error("invalid topics");
  let action = tuple[2]!;
  let qos: readonly number[] = [0, 1, 2];
  if (typeof action === "object" && "tuple" in action) {
    const [name, options] = action.tuple;
    const [option, ...others] = options as Term[];
    const [key, levels] = elements(option!);
    if (others.length > 0 || atom(key!) !== "qos") throw new Error("invalid option");
    qos = levels as readonly number[];
    if (!qos.every((level) => level >= 0 && level <= 2)) throw new Error("invalid qos");
    action = name!;
  }
  const name = atom(action);
  if (name !== "all" && name !== "publish" && name !== "subscribe") throw new Error("invalid action");
  return { permission, action: name, qos, topics };
}

function elements(term: Term): readonly Term[] {
  if (typeof term !== "object" || !("tuple" in term)) throw new Error("a tuple is expected");
  return term.tuple;
}

function atom(term: Term): string {
  if (typeof term !== "object" || !("atom" in term)) throw new Error("an atom is expected");
  return term.atom;
}

/** The first rule that matches decides; levels are compared one by one, with no regard for $ in front, nor for # in what is asked. */
export function decides(
  rules: readonly EMQXRule[],
  action: "publish" | "subscribe",
  topic: string,
  qos: number,
  values: { readonly clientid: string; readonly username: string },
): boolean {
  const rule = rules.find(
    (one) =>
      (one.action === "all" || one.action === action) &&
      one.qos.includes(qos) &&
      one.topics.some((filter) =>
        matches(
          filter.replace(/\$\{(clientid|username)\}/g, (_, name: "clientid" | "username") => values[name]).split("/"),
          topic.split("/"),
        ),
      ),
  );
  return rule?.permission === "allow";
}

function matches(filter: readonly string[], topic: readonly string[]): boolean {
  if (filter.length === 1 && filter[0] === "#") return true;
  if (filter.length === 0 || topic.length === 0) return filter.length === topic.length;
  return (filter[0] === "+" || filter[0] === topic[0]) && matches(filter.slice(1), topic.slice(1));
}
