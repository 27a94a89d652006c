export * from "../../../src/permissions/index.js";
