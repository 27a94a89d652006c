/* Native functions: what they do is said in library.d.ts. */
export function version() @ "xs_mbedtls_version";
export function memory(which) @ "xs_mbedtls_memory";
export function resetMemoryPeak() @ "xs_mbedtls_memory_reset";
export function capMemory(bytes) @ "xs_mbedtls_memory_cap";
export function failAllocation(count, stays) @ "xs_mbedtls_memory_fault";
