/** A raw partition that holds the record: `readProvisioningImage` of the firmware module reads it. */
import { PROVISIONING_IMAGE_HEADER, provisioningImageHeader } from "../../src/vault/index.js";
import { usageFailure } from "../failure.js";

/** Flash is erased in sectors of this size. */
const sector = 4096;

export function rawImage(record: Uint8Array, size: number): Buffer {
  if (size < sector || size % sector !== 0)
    throw usageFailure(`A raw partition must be a multiple of ${sector} bytes.`);
  if (record.byteLength + PROVISIONING_IMAGE_HEADER > size)
    throw usageFailure(`A record of ${record.byteLength} bytes does not fit into a raw partition of ${size} bytes.`);
  const image = Buffer.alloc(size, 0xff);
  image.set(provisioningImageHeader(record));
  image.set(record, PROVISIONING_IMAGE_HEADER);
  return image;
}
