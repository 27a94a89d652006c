/* What is used of the Moddable SDK, by its own module names: what it is said to do is in sdk.d.ts. */
export { default as Net } from "net";
export { default as TCP } from "embedded:io/socket/tcp";
export { default as Time } from "time";
export { default as Timer } from "timer";
