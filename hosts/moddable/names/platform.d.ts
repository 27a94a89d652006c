export type * from "../../../src/platform.js";
