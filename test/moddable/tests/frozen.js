/* What a module must not do: it keeps state that was made while the app was built. */
export const kept = new Map();
