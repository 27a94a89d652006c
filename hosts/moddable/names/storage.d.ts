export * from "../../../dist/src/storage/index.js";
