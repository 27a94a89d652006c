/* Native functions: what they do is said in chip.d.ts; each chip has its own. */
export function mac(into) @ "xs_chip_mac";
export function retainedLength() @ "xs_chip_retained_length";
export function retainedRead(offset, into) @ "xs_chip_retained_read";
export function retainedWrite(offset, bytes) @ "xs_chip_retained_write";
export function wakeCause() @ "xs_chip_wake_cause";
export function sleep(milliseconds) @ "xs_chip_sleep";
export function restart() @ "xs_chip_restart";
export function feedWatchdog() @ "xs_chip_feed";
export function hasSecret() @ "xs_chip_has_secret";
export function hmac(data, into) @ "xs_chip_hmac";
