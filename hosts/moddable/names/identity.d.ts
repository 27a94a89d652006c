export * from "../../../dist/src/identity/index.js";
