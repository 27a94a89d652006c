/** Whole sectors of a flash partition, for the log-structured store and for the provisioning record. */
import { toBytes } from "../../../src/bytes.js";
import type { ProvisioningPartition } from "../../../src/platform.js";
import { PROVISIONING_IMAGE_HEADER, readProvisioningImage } from "../../../src/vault/index.js";
import { Flash } from "./flash-sdk.js";

/** The shape of `RawFlash` in src/storage. */
export class FlashArea {
  readonly sectors: number;
  readonly sectorLength: number;
  readonly #flash: Flash;
  readonly #first: number;

  /** @param first sector of the partition, @param count sectors: all that follow when left out @throws Error when there is no such partition */
  constructor(partition: string, first = 0, count?: number) {
    this.#flash = new Flash(partition);
    this.sectorLength = this.#flash.blockSize;
    this.#first = first;
    this.sectors = count ?? Math.floor(this.#flash.byteLength / this.sectorLength) - first;
  }

  read(offset: number, buffer: Uint8Array): void {
    if (buffer.byteLength > 0) buffer.set(toBytes(this.#flash.read(this.#at(offset), buffer.byteLength)));
  }

  program(offset: number, bytes: Uint8Array): void {
    // The SDK wants a whole buffer, not a view of one.
    this.#flash.write(this.#at(offset), bytes.byteLength, bytes.slice().buffer);
  }

  erase(sector: number): void {
    this.#flash.erase(this.#first + sector);
  }

  #at(offset: number): number {
    return this.#first * this.sectorLength + offset;
  }
}

/** The provisioning record as `sealwire provision --format raw` makes its image. Erasing leaves nothing of it in the flash. */
export class FlashProvisioning implements ProvisioningPartition {
  readonly #area: FlashArea;

  constructor(area: FlashArea) {
    this.#area = area;
  }

  read(): Uint8Array | undefined {
    const capacity = this.#area.sectors * this.#area.sectorLength;
    const from = (offset: number, byteLength: number): Uint8Array => {
      const bytes = new Uint8Array(byteLength);
      this.#area.read(offset, bytes);
      return bytes;
    };
    return readProvisioningImage(
      from(0, PROVISIONING_IMAGE_HEADER),
      (byteLength) => from(PROVISIONING_IMAGE_HEADER, byteLength),
      capacity,
    );
  }

  erase(): void {
    for (let sector = 0; sector < this.#area.sectors; sector++) this.#area.erase(sector);
  }
}

/** @returns `undefined` when the flash has no such partition */
export function provisioningIn(partition: string, first?: number, count?: number): ProvisioningPartition | undefined {
  try {
    return new FlashProvisioning(new FlashArea(partition, first, count));
  } catch {
    return undefined;
  }
}
