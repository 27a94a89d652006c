export * from "../../../src/sealing/index.js";
