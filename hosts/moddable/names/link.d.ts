export * from "../../../src/link/index.js";
