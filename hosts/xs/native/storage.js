/* The native class of the host program: what it does is said in storage.d.ts. */
export class NativeStorage @ "xs_storage_destructor" {
  constructor(folder, capacity, maximumValueLength, atWrite, action) @ "xs_storage";
  get capacity() @ "xs_storage_get_capacity";
  get maximumValueLength() @ "xs_storage_get_maximum";
  read(key) @ "xs_storage_read";
  write(key, value) @ "xs_storage_write";
  delete(key) @ "xs_storage_delete";
  keys() @ "xs_storage_keys";
}
