/*
 * Modules: found by name or path, compiled from JavaScript, linked before the machine of the device is made.
 *
 * Linking does what `xsl` does for a chip: the bytecode of every module that the firmware can reach stays outside of the heap, its
 * names become keys of the flash, functions and strings are used where they lie.
 */
#define _GNU_SOURCE
#include "xsAll.h"
#include "xsScript.h"
#include "host.h"
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>

typedef struct Module Module;
struct Module {
  Module* next;
  char* path;
  txScript* script;
  txHostFunctionBuilder* hosts;
  int hostCount;
  int preload;
};

typedef struct Mapping Mapping;
struct Mapping {
  Mapping* next;
  char* name;
  char* path;
  size_t prefix;
};

static Module* modules;
static Module** modulesEnd = &modules;
static Mapping* mappings;
/* The module whose native functions are being built. */
static Module* building;

static void* must(void* memory) {
  if (!memory) hostFail(EXIT_ENGINE_FAILURE, "The desktop is out of memory.");
  return memory;
}

void mapAdd(const char* definition) {
  const char* equals = strchr(definition, '=');
  if (!equals) hostFail(EXIT_USAGE, "--map wants NAME=PATH, not %s.", definition);
  Mapping* mapping = must(calloc(1, sizeof(Mapping)));
  mapping->name = must(strndup(definition, (size_t)(equals - definition)));
  mapping->path = must(strdup(equals + 1));
  size_t length = strlen(mapping->name);
  if (length > 1 && mapping->name[length - 1] == '*') mapping->prefix = length - 1;
  mapping->next = mappings;
  mappings = mapping;
}

static int readable(const char* candidate, char* path) {
  return realpath(candidate, path) != NULL;
}

/* The file that `name` means in a module at `importer` (NULL: on the command line). */
static int resolve(const char* name, const char* importer, char* path) {
  /* Not on the stack: its peak is measured, and a chip looks nothing up. */
  static char candidate[PATH_MAX], folder[PATH_MAX];
  for (Mapping* mapping = mappings; mapping; mapping = mapping->next) {
    if (mapping->prefix && !strncmp(name, mapping->name, mapping->prefix)) {
      int before = (int)strcspn(mapping->path, "*");
      snprintf(candidate, sizeof candidate, "%.*s%s%s", before, mapping->path, name + mapping->prefix,
               mapping->path[before] ? mapping->path + before + 1 : "");
    } else if (!mapping->prefix && !strcmp(name, mapping->name))
      snprintf(candidate, sizeof candidate, "%s", mapping->path);
    else
      continue;
    if (readable(candidate, path)) return 1;
  }
  if (name[0] == '/' || !importer) return readable(name, path);
  if (name[0] != '.') return 0;
  snprintf(folder, sizeof folder, "%s", importer);
  if (snprintf(candidate, sizeof candidate, "%s/%s", dirname(folder), name) >= (int)sizeof candidate) return 0;
  return readable(candidate, path);
}

static Module* find(const char* path) {
  for (Module* module = modules; module; module = module->next)
    if (!strcmp(module->path, path)) return module;
  return NULL;
}

static void onSyntaxError(void* console, txString path, txInteger line, txString format, va_list arguments) {
  char message[256];
  (void)console;
  vsnprintf(message, sizeof message, format, arguments);
  char source[PATH_MAX], *text = message;
  int sourceLine;
  while (*text == ' ') text++;
  if (path && sourceMapFind(path, (int)line, source, &sourceLine))
    hostFail(EXIT_SYNTAX_ERROR, "%s at %s:%d (compiled: %s:%d).", text, source, sourceLine, path, (int)line);
  hostFail(EXIT_SYNTAX_ERROR, "%s at %s:%d.", text, path ? path : "unknown file", (int)line);
}

static void quiet(void* console, txString path, txInteger line, txString format, va_list arguments) {
  (void)console;
  (void)path;
  (void)line;
  (void)format;
  (void)arguments;
}

/* Lines and file of the source that the module was compiled from, where a source map tells. */
static void applySourceMap(txParser* parser, const char* path, const char* mapName) {
  char candidate[PATH_MAX], folder[PATH_MAX], real[PATH_MAX];
  txString source = NULL;
  snprintf(folder, sizeof folder, "%s", path);
  if (snprintf(candidate, sizeof candidate, "%s/%s", dirname(folder), mapName) >= (int)sizeof candidate) return;
  FILE* file = fopen(candidate, "r");
  if (!file) return;
  fxParserSourceMap(parser, file, (txGetter)fgetc, mxDebugFlag, &source);
  fclose(file);
  if (!source) return;
  snprintf(folder, sizeof folder, "%s", candidate);
  if (snprintf(candidate, sizeof candidate, "%s/%s", dirname(folder), source) >= (int)sizeof candidate) return;
  parser->path = fxNewParserSymbol(parser, readable(candidate, real) ? real : candidate);
}

typedef void (*OnImport)(void* context, const char* specifier, const char* path, int line);

static void visitImports(txNode* root, OnImport onImport, void* context) {
  txNode* body = ((txModuleNode*)root)->body;
  txNode* item = body;
  int many = body && body->description->token == XS_TOKEN_STATEMENTS;
  if (many) item = ((txStatementsNode*)body)->items->first;
  for (; item; item = many ? item->next : NULL) {
    txNode* from = NULL;
    if (item->description->token == XS_TOKEN_IMPORT) from = ((txImportNode*)item)->from;
    else if (item->description->token == XS_TOKEN_EXPORT) from = ((txExportNode*)item)->from;
    if (from && from->description->token == XS_TOKEN_STRING)
      onImport(context, ((txStringNode*)from)->value, item->path ? item->path->string : NULL, item->line);
  }
}

/* Compiles a file. @returns NULL when it cannot be read */
static txScript* compile(txMachine* the, const char* path, OnImport onImport, void* context) {
  txParser parser;
  txParserJump jump;
  txScript* volatile script = NULL;
  txString mapName = NULL;
  FILE* file = fopen(path, "r");
  if (!file) return NULL;
  fxInitializeParser(&parser, the, the->parserBufferSize, the->parserTableModulo);
  parser.firstJump = &jump;
  parser.reportError = onSyntaxError;
  parser.reportWarning = quiet;
  if (setjmp(jump.jmp_buf) == 0) {
    parser.path = fxNewParserSymbol(&parser, (txString)path);
    fxParserTree(&parser, file, (txGetter)fgetc, mxCFlag | mxDebugFlag, &mapName);
    if (mapName && !parser.errorCount) applySourceMap(&parser, path, mapName);
    if (onImport && parser.root) visitImports(parser.root, onImport, context);
    fxParserHoist(&parser);
    fxParserBind(&parser);
    script = fxParserCode(&parser);
  }
  fclose(file);
  fxTerminateParser(&parser);
  if (!script) hostFail(EXIT_SYNTAX_ERROR, "%s cannot be compiled.", path);
  return script;
}

/* Functions and strings are used where they lie instead of being copied into the heap. */
static void keepInFlash(txScript* script) {
  txU1* p = (txU1*)script->codeBuffer;
  txU1* end = p + script->codeSize;
  while (p < end) {
    txS1 size = gxCodeSizes[*p];
    switch (*p) {
      case XS_CODE_CODE_1: *p = XS_CODE_CODE_ARCHIVE_1; break;
      case XS_CODE_CODE_2: *p = XS_CODE_CODE_ARCHIVE_2; break;
      case XS_CODE_CODE_4: *p = XS_CODE_CODE_ARCHIVE_4; break;
      case XS_CODE_STRING_1: *p = XS_CODE_STRING_ARCHIVE_1; break;
      case XS_CODE_STRING_2: *p = XS_CODE_STRING_ARCHIVE_2; break;
      case XS_CODE_STRING_4: *p = XS_CODE_STRING_ARCHIVE_4; break;
      default: break;
    }
    if (size > 0) p += size;
    else if (size == 0) p += 1 + sizeof(txID);
    else if (size == -1) p += 2 + p[1];
    else if (size == -2) p += 3 + (p[1] | p[2] << 8);
    else p += 5 + ((uint32_t)p[1] | (uint32_t)p[2] << 8 | (uint32_t)p[3] << 16 | (uint32_t)p[4] << 24);
  }
}

/* The native functions that a module names with `@ "name"`: looked up among the host's own symbols. */
static void callbackHosts(txMachine* the) {
  fxBuildHosts(the, building->hostCount, building->hosts);
  mxPullSlot(mxResult);
}

extern void fxRemapIDs(txMachine* the, txByte* codeBuffer, txSize codeSize, txID* ids);

static void bindNames(txMachine* the, Module* module) {
  txScript* script = module->script;
  txByte* p = script->symbolsBuffer;
  txID count, i;
  mxDecodeID(p, count);
  txID* ids = must(calloc((size_t)count, sizeof(txID)));
  ids[0] = XS_NO_ID;
  for (i = 1; i < count; i++) {
    ids[i] = fxNewNameC(the, (txString)p);
    p += mxStringLength((char*)p) + 1;
  }
  fxRemapIDs(the, script->codeBuffer, script->codeSize, ids);
  free(script->symbolsBuffer);
  script->symbolsBuffer = NULL;
  script->symbolsSize = 0;
  if (script->hostsBuffer) {
    p = script->hostsBuffer;
    mxDecodeID(p, count);
    module->hostCount = count;
    module->hosts = must(calloc((size_t)count, sizeof(txHostFunctionBuilder)));
    for (i = 0; i < count; i++) {
      txHostFunctionBuilder* host = &module->hosts[i];
      txID id;
      host->length = *p++;
      mxDecodeID(p, id);
      host->id = id == XS_NO_ID ? id : ids[id];
      host->callback = (txCallback)nativeStackWatched((char*)p, (NativeFunction)dlsym(RTLD_DEFAULT, (char*)p));
      if (!host->callback)
        hostFail(EXIT_MODULE_NOT_FOUND, "%s wants the native function %s, which this host does not have.", module->path, (char*)p);
      p += strlen((char*)p) + 1;
    }
    script->callback = callbackHosts;
  }
  free(ids);
}

static Module* add(txMachine* the, const char* path);

typedef struct {
  txMachine* the;
  const char* path;
} Linking;

static void onImport(void* context, const char* specifier, const char* source, int line) {
  Linking* linking = context;
  char path[PATH_MAX];
  if (!resolve(specifier, linking->path, path)) {
    if (!source) source = linking->path;
    if (sourceMapFind(source, line, path, &line)) source = path;
    hostFail(EXIT_MODULE_NOT_FOUND, "The module \"%s\" was not found; it is imported at %s:%d.", specifier, source, line);
  }
  add(linking->the, path);
}

static Module* add(txMachine* the, const char* path) {
  Module* module = find(path);
  if (module) return module;
  module = must(calloc(1, sizeof(Module)));
  module->path = must(strdup(path));
  *modulesEnd = module;
  modulesEnd = &module->next;
  Linking linking = {the, module->path};
  module->script = compile(the, module->path, onImport, &linking);
  if (!module->script) hostFail(EXIT_MODULE_NOT_FOUND, "The module %s cannot be read.", path);
  keepInFlash(module->script);
  fxNewNameC(the, module->path);
  bindNames(the, module);
  return module;
}

void modulesLink(txMachine* root, const char* entry, char** preloads, int preloadCount) {
  char path[PATH_MAX];
  if (!resolve(entry, NULL, path)) hostFail(EXIT_MODULE_NOT_FOUND, "The module \"%s\" was not found.", entry);
  add(root, path);
  for (int i = 0; i < preloadCount; i++) {
    if (!resolve(preloads[i], NULL, path))
      hostFail(EXIT_MODULE_NOT_FOUND, "The module \"%s\" was not found; it shall be preloaded.", preloads[i]);
    add(root, path)->preload = 1;
  }
}

static void preload(txMachine* the, const char* path) {
  fxBeginHost(the);
  mxTry(the) {
    mxPushStringC((txString)path);
    fxAwaitImport(the, XS_IMPORT_NAMESPACE);
    mxPop();
  }
  mxCatch(the) {
    reportException(the, EXIT_UNCAUGHT_EXCEPTION);
  }
  fxEndHost(the);
}

/* Runs the modules that the manifest preloads, so that what they make lies in flash. */
void modulesPreload(txMachine* root) {
  for (Module* module = modules; module; module = module->next)
    if (module->preload) preload(root, module->path);
}

void modulesList(void) {
  for (Module* module = modules; module; module = module->next)
    printf("%s %d %s\n", module->preload ? "preload" : "run", (int)module->script->codeSize, module->path);
}

txID fxFindModule(txMachine* the, txSlot* realm, txID moduleID, txSlot* slot) {
  static char name[PATH_MAX], path[PATH_MAX];
  (void)realm;
  fxToStringBuffer(the, slot, name, sizeof name);
  if (!resolve(name, moduleID == XS_NO_ID ? NULL : fxGetKeyName(the, moduleID), path)) return XS_NO_ID;
  return fxNewNameC(the, path);
}

void fxLoadModule(txMachine* the, txSlot* slot, txID moduleID) {
  char* path = fxGetKeyName(the, moduleID);
  Module* module = find(path);
  /* Reached by a dynamic import only: compiled now, its names cost heap. */
  if (!module) module = add(the, path);
  building = module;
  fxResolveModule(the, slot, moduleID, module->script, NULL, NULL);
}

static void onFulfilled(txMachine* the) {
  mxException = mxUndefined;
}

static void onRejected(txMachine* the) {
  mxException = *mxArgv(0);
  reportException(the, EXIT_UNCAUGHT_EXCEPTION);
}

void modulesEntry(txMachine* the, const char* entry) {
  fxBeginHost(the);
  mxTry(the) {
    mxPushStringC((txString)entry);
    fxRunImport(the, mxModuleInstanceInternal(mxProgram.value.reference)->value.module.realm, XS_NO_ID);
    mxDub();
    mxGetID(mxID(_then));
    mxCall();
    fxNewHostFunction(the, onFulfilled, 1, XS_NO_ID, XS_NO_ID);
    fxNewHostFunction(the, onRejected, 1, XS_NO_ID, XS_NO_ID);
    mxRunCount(2);
    mxPop();
  }
  mxCatch(the) {
    reportException(the, EXIT_UNCAUGHT_EXCEPTION);
  }
  fxEndHost(the);
}
