export * from "../../../dist/src/sealing/index.js";
