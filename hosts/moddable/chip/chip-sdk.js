/* What chips use of the Moddable SDK beside what is in sdk.js: what it is said to do is in chip-sdk.d.ts. */
export { default as SNTP } from "sntp";
export { default as config } from "mc/config";
