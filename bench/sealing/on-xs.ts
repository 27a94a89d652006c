/** The measurement on XS. */
import { createPlatform } from "../../hosts/xs/index.js";
import { argument, collect, cpu, resetPeaks } from "../../hosts/xs/native/system.js";
import { measureSealing, type MeasureOptions, type Memory } from "./measure.js";

const platform = createPlatform({ folder: argument(0)! });

/** Chunks and slots of the engine's heap. */
function peak(body: () => void): Memory {
  collect();
  resetPeaks();
  const before = platform.heap();
  body();
  const { chunks, slots } = platform.heap()!;
  return { buffers: chunks!.peak - before!.chunks!.used, objects: slots!.peak - before!.slots!.used };
}

const options = JSON.parse(argument(1)!) as MeasureOptions;
platform.log(JSON.stringify(measureSealing({ crypto: platform.crypto, cpu, peak }, options)));
