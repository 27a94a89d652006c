export * from "../../../src/identity/index.js";
