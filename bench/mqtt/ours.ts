import { bare } from "./bare.js";
export const ours = bare;
