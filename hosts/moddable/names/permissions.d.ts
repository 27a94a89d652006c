export * from "../../../dist/src/permissions/index.js";
