/* What a device team imports as `sealwire/platform`: types only. */
export {};
