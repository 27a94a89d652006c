export * from "../../../dist/src/link/index.js";
