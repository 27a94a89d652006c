/* Native functions: what they do is said in machine.d.ts. */
export function heap(figures) @ "xs_sealwire_heap";
export function buildTime() @ "xs_sealwire_build_time";
export function collect() @ "xs_sealwire_collect";
