/* Native functions of the host program: what they do is said in system.d.ts. */
export function print(line) @ "xs_system_print";
export function ticks() @ "xs_system_ticks";
export function time() @ "xs_system_time";
export function cpu() @ "xs_system_cpu";
export function random(bytes) @ "xs_system_random";
export function exit(code) @ "xs_system_exit";
export function environment(name) @ "xs_system_environment";
export function argument(index) @ "xs_system_argument";
export function heap(figures) @ "xs_system_heap";
export function measure(step, reset) @ "xs_system_measure";
export function collect() @ "xs_system_collect";
export function resetPeaks() @ "xs_system_reset_peaks";
export function setTimer(callback, milliseconds) @ "xs_timer_set";
export function clearTimer(timer) @ "xs_timer_clear";
export function host(name, address) @ "xs_resolver_host";
export function resolve(host, callback) @ "xs_resolve";
