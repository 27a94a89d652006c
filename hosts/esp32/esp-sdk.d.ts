/** ECMA-419 key-value storage with format `"buffer"`: `embedded:storage/key-value`, which is ESP-IDF's NVS. */
export interface Domain extends Iterable<string> {
  /** @returns `undefined` when the key is not there @throws Error for a value of another type */
  read(key: string): ArrayBuffer | undefined;
  /** @throws Error when there is no room */
  write(key: string, value: ArrayBuffer | Uint8Array): void;
  /** @returns whether the key was there */
  delete(key: string): boolean;
}

export const storage: { open(options: { readonly path: string }): Domain };
