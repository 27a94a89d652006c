/** Fixture: a recursion without an end. */
interface Node {
  readonly depth: number;
}

function descend(node: Node): number {
  return descend({ depth: node.depth + 1 }) + 1;
}

descend({ depth: 0 });
