/* What is used of the Moddable SDK's `flash`: what it is said to do is in flash-sdk.d.ts. */
export { default as Flash } from "flash";
