export * from "../../../src/storage/index.js";
