export type * from "../../../dist/src/platform.js";
