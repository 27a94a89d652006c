/*
 * What lies in the heap, object by object: for `--census`. Every slot and every chunk has one owner, an object, and objects of one class
 * are counted together. A variable that a closure holds belongs to the scope it is of.
 */
#include "xsAll.h"
#include "host.h"

enum { NAME_BYTES = 48, MOST_KINDS = 512 };

typedef struct {
  char name[NAME_BYTES];
  size_t count, slots, chunks;
} Kind;

typedef struct {
  txMachine* the;
  /* The slots of all blocks of the heap, one after the other; for each the kind it is counted with, plus one. */
  size_t slotCount;
  uint16_t* owners;
  Kind kinds[MOST_KINDS];
  size_t kindCount;
} Census;

/* The place of a slot in `owners`, or -1 for one that is in flash. */
static ptrdiff_t indexOf(Census* census, const txSlot* slot) {
  ptrdiff_t base = 0;
  for (txSlot* heap = census->the->firstHeap; heap; heap = heap->next) {
    if (slot > heap && slot < heap->value.reference) return base + (slot - heap - 1);
    base += heap->value.reference - heap - 1;
  }
  return -1;
}

static size_t kindOf(Census* census, const char* name) {
  size_t i = 0;
  while (i < census->kindCount && strcmp(census->kinds[i].name, name)) i++;
  if (i == MOST_KINDS) return MOST_KINDS - 1;
  if (i == census->kindCount) snprintf(census->kinds[census->kindCount++].name, NAME_BYTES, "%s", name);
  return i;
}

/* The chunk that a slot has to itself. */
static size_t chunkOf(const txSlot* slot) {
  const void* data = NULL;
  switch (slot->kind) {
    case XS_STRING_KIND: data = slot->value.string; break;
    case XS_KEY_KIND: data = slot->value.key.string; break;
    case XS_BIGINT_KIND: data = slot->value.bigint.data; break;
    case XS_CODE_KIND: data = slot->value.code.address; break;
    case XS_ARRAY_KIND:
    case XS_ARGUMENTS_SLOPPY_KIND:
    case XS_ARGUMENTS_STRICT_KIND:
    case XS_STACK_KIND: data = slot->value.array.address; break;
    case XS_ARRAY_BUFFER_KIND: data = slot->value.arrayBuffer.address; break;
    case XS_IDS_KIND: data = slot->value.IDs; break;
    case XS_GLOBAL_KIND:
    case XS_MAP_KIND:
    case XS_SET_KIND: data = slot->value.table.address; break;
    case XS_REGEXP_KIND: data = slot->value.regexp.data; break;
    case XS_HOST_KIND:
      if (slot->flag & XS_HOST_CHUNK_FLAG) data = slot->value.host.data;
      break;
    default: break;
  }
  return data ? (size_t)(((const txChunk*)((const txByte*)data - sizeof(txChunk)))->size & 0x7fffffff) : 0;
}

static void own(Census* census, const txSlot* slot, size_t kind);

static void ownList(Census* census, const txSlot* slot, size_t kind) {
  for (; slot; slot = slot->next) own(census, slot, kind);
}

static void own(Census* census, const txSlot* slot, size_t kind) {
  ptrdiff_t i = indexOf(census, slot);
  if (i < 0 || census->owners[i]) return;
  census->owners[i] = (uint16_t)(kind + 1);
  census->kinds[kind].slots++;
  census->kinds[kind].chunks += chunkOf(slot);
  switch (slot->kind) {
    case XS_PRIVATE_KIND: ownList(census, slot->value.private.first, kind); break;
    case XS_LIST_KIND: ownList(census, slot->value.list.first, kind); break;
    case XS_CLOSURE_KIND:
      if (slot->value.closure && slot->value.closure->kind != XS_INSTANCE_KIND) own(census, slot->value.closure, kind);
      break;
    case XS_ERROR_KIND: break;
    case XS_MAP_KIND:
    case XS_SET_KIND:
      for (txInteger at = 0; at < slot->value.table.length; at++) ownList(census, slot->value.table.address[at], kind);
      ownList(census, slot->value.table.address ? slot->next : NULL, kind);
      break;
    default: break;
  }
}

static const txSlot* property(txMachine* the, const txSlot* instance, txID id) {
  (void)the;
  for (const txSlot* slot = instance->next; slot; slot = slot->next)
    if (!(slot->flag & XS_INTERNAL_FLAG) && slot->ID == id) return slot;
  return NULL;
}

static int isFunction(const txSlot* instance) {
  const txSlot* first = instance->next;
  return first && (first->flag & XS_INTERNAL_FLAG) &&
         (first->kind == XS_CODE_KIND || first->kind == XS_CODE_X_KIND || first->kind == XS_CALLBACK_KIND || first->kind == XS_CALLBACK_X_KIND);
}

static void functionName(txMachine* the, const txSlot* function, char* target) {
  const txSlot* name = property(the, function, mxID(_name));
  target[0] = 0;
  if (name && (name->kind == XS_STRING_KIND || name->kind == XS_STRING_X_KIND)) snprintf(target, NAME_BYTES - 16, "%s", name->value.string);
  else if (name && (name->kind == XS_KEY_KIND || name->kind == XS_KEY_X_KIND)) snprintf(target, NAME_BYTES - 16, "%s", name->value.key.string);
}

/* Where a function without a name begins: `file:line` of its TypeScript source, where the source map tells. */
static void functionPlace(txMachine* the, const txSlot* function, char* target) {
  const txSlot* home = function->next->next;
  const txSlot* module = home && home->kind == XS_HOME_KIND ? home->value.home.module : NULL;
  const txByte* code = function->next->value.code.address;
  int line = 0, source = 0;
  static char path[4096];
  for (int i = 0; code && !line && i < 16; i++)
    if ((txU1)code[i] == XS_CODE_LINE) line = (txU1)code[i + 1] | (txU1)code[i + 2] << 8;
  const txSlot* internal = module ? module->next : NULL;
  if (!internal || internal->kind != XS_MODULE_KIND) return;
  const char* name = fxGetKeyName(the, internal->value.module.id);
  if (!name) return;
  if (!sourceMapFind(name, line, path, &source)) snprintf(path, sizeof path, "%s", name), source = line;
  const char* file = strrchr(path, '/');
  snprintf(target, NAME_BYTES - 16, "%.20s:%d", file ? file + 1 : path, source);
}

static void describe(txMachine* the, const txSlot* instance, char* target) {
  char name[NAME_BYTES];
  if (isFunction(instance)) {
    functionName(the, instance, name);
    if (!name[0]) functionPlace(the, instance, name);
    snprintf(target, NAME_BYTES, "function %.34s", name);
    return;
  }
  const txSlot* first = instance->next;
  if (first && first->kind == XS_MODULE_KIND) {
    snprintf(target, NAME_BYTES, "module");
    return;
  }
  const txSlot* prototype = instance->value.instance.prototype;
  if (!prototype) {
    int scope = first && (first->kind == XS_CLOSURE_KIND || (first->kind == XS_UNDEFINED_KIND && (first->flag & XS_INTERNAL_FLAG)));
    snprintf(target, NAME_BYTES, scope ? "scope" : "object without a class");
    return;
  }
  for (; prototype; prototype = prototype->value.instance.prototype) {
    const txSlot* constructor = property(the, prototype, mxID(_constructor));
    if (!constructor || constructor->kind != XS_REFERENCE_KIND) continue;
    functionName(the, constructor->value.reference, name);
    const txSlot* own = property(the, instance, mxID(_constructor));
    snprintf(target, NAME_BYTES, "%.36s%s", name[0] ? name : "?", own ? ".prototype" : "");
    return;
  }
  snprintf(target, NAME_BYTES, "object");
}

static int byBytes(const void* a, const void* b) {
  const Kind *left = a, *right = b;
  size_t first = left->slots * sizeof(txSlot) + left->chunks, second = right->slots * sizeof(txSlot) + right->chunks;
  return first < second ? 1 : first > second ? -1 : strcmp(left->name, right->name);
}

static void print(Census* census, const char* step) {
  qsort(census->kinds, census->kindCount, sizeof(Kind), byBytes);
  for (size_t i = 0; i < census->kindCount; i++) {
    Kind* kind = &census->kinds[i];
    fprintf(stderr, "CENSUS {\"step\":\"%s\",\"what\":\"%s\",\"count\":%zu,\"slots\":%zu,\"chunks\":%zu}\n", step, kind->name, kind->count,
            kind->slots * sizeof(txSlot), kind->chunks);
  }
}

/* The garbage must be collected. */
void heapCensus(txMachine* the, const char* step) {
  Census* census = calloc(1, sizeof *census);
  char name[NAME_BYTES];
  if (!census) return;
  census->the = the;
  for (txSlot* heap = the->firstHeap; heap; heap = heap->next) census->slotCount += (size_t)(heap->value.reference - heap - 1);
  census->owners = calloc(census->slotCount, sizeof *census->owners);
  if (!census->owners) return;
  for (txSlot* slot = the->freeHeap; slot; slot = slot->next) {
    ptrdiff_t i = indexOf(census, slot);
    if (i >= 0) census->owners[i] = UINT16_MAX;
  }
  /* Scopes after everything else: a scope is called after the function whose it is. */
  for (int round = 0; round < 2; round++)
    for (txSlot* heap = the->firstHeap; heap; heap = heap->next)
      for (txSlot* slot = heap + 1; slot < heap->value.reference; slot++) {
        if (slot->kind != XS_INSTANCE_KIND || census->owners[indexOf(census, slot)]) continue;
        describe(the, slot, name);
        if (round == 0 && !strcmp(name, "scope")) continue;
        size_t kind = kindOf(census, name);
        census->kinds[kind].count++;
        ownList(census, slot, kind);
        if (isFunction(slot)) {
          const txSlot* scope = slot->next->value.code.closures;
          ptrdiff_t i = scope ? indexOf(census, scope) : -1;
          if (i >= 0 && !census->owners[i]) {
            char scopeName[NAME_BYTES];
            snprintf(scopeName, NAME_BYTES, "scope of %.36s", name);
            size_t which = kindOf(census, scopeName);
            census->kinds[which].count++;
            ownList(census, scope, which);
          }
        }
      }
  for (txSlot* heap = the->firstHeap; heap; heap = heap->next)
    for (txSlot* slot = heap + 1; slot < heap->value.reference; slot++) {
      if (census->owners[indexOf(census, slot)]) continue;
      snprintf(name, NAME_BYTES, slot->kind == XS_KEY_KIND || slot->kind == XS_KEY_X_KIND ? "names" : "slots of kind %d", slot->kind);
      own(census, slot, kindOf(census, name));
    }
  print(census, step);
  free(census->owners);
  free(census);
}
