/** The part of cose-js that the tests use; it has no types of its own. */
declare module "cose-js" {
  interface Headers {
    readonly p?: Readonly<Record<string, unknown>>;
    readonly u?: Readonly<Record<string, unknown>>;
  }
  interface EncryptOptions {
    readonly externalAAD?: Buffer;
    readonly contextIv?: Buffer;
    readonly randomSource?: (bytes: number) => Buffer;
    readonly excludetag?: boolean;
    readonly defaultType?: number;
  }
  const cose: {
    readonly encrypt: {
      readonly Encrypt0Tag: number;
      create(headers: Headers, payload: Buffer, recipient: unknown, options?: EncryptOptions): Promise<Buffer>;
      read(data: Buffer, key: Buffer, options?: EncryptOptions): Promise<Buffer>;
    };
    readonly mac: {
      create(headers: Headers, payload: Buffer, recipient: { key: Buffer }, externalAAD?: Buffer): Promise<Buffer>;
      read(data: Buffer, key: Buffer, externalAAD?: Buffer): Promise<Buffer>;
    };
    readonly sign: {
      create(headers: Headers, payload: Buffer, signer: { key: { d: Buffer }; externalAAD?: Buffer }): Promise<Buffer>;
      verify(data: Buffer, verifier: { key: { x: Buffer; y: Buffer }; externalAAD?: Buffer }): Promise<Buffer>;
    };
  };
  export default cose;
}
