/* Native functions of the host program: what they do is said in network.d.ts. */
export function up() @ "xs_network_up";
export function set(up) @ "xs_network_set";
export function watch(callback) @ "xs_network_watch";
