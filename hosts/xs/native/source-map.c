/* Where in the TypeScript source a line of compiled JavaScript comes from (source map revision 3), for modules that cannot be parsed. */
#define _GNU_SOURCE
#include "host.h"
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char* readAll(const char* path) {
  FILE* file = fopen(path, "r");
  char* text = NULL;
  size_t size = 0;
  if (!file) return NULL;
  if (getdelim(&text, &size, 0, file) < 0) {
    free(text);
    text = NULL;
  }
  fclose(file);
  return text;
}

/* `name` beside the file `path`, as a real path where there is one. */
static int beside(const char* path, const char* name, char* result) {
  char folder[PATH_MAX], joined[PATH_MAX];
  snprintf(folder, sizeof folder, "%s", path);
  if (snprintf(joined, sizeof joined, "%s/%s", dirname(folder), name) >= (int)sizeof joined) return 0;
  if (!realpath(joined, result)) snprintf(result, PATH_MAX, "%s", joined);
  return 1;
}

/* Base 64 VLQ. @returns what follows the number, or NULL */
static const char* decode(const char* text, int* value) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned int result = 0;
  for (int shift = 0; shift < 30; shift += 5) {
    const char* digit = *text ? strchr(digits, *text++) : NULL;
    if (!digit) return NULL;
    unsigned int bits = (unsigned int)(digit - digits);
    result |= (bits & 31) << shift;
    if (bits & 32) continue;
    *value = result & 1 ? -(int)(result >> 1) : (int)(result >> 1);
    return text;
  }
  return NULL;
}

/* The line of the source for a generated one, both from 1; 0 when the map does not tell. */
static int mapLine(const char* mappings, int wanted) {
  int generated = 1, line = 0;
  while (*mappings && *mappings != '"') {
    if (*mappings == ';') mappings++, generated++;
    else if (*mappings == ',') mappings++;
    else {
      int fields[5], count = 0;
      while (*mappings && !strchr(",;\"", *mappings)) {
        int value;
        if (count == 5 || !(mappings = decode(mappings, &value))) return 0;
        fields[count++] = value;
      }
      if (count >= 4) line += fields[2];
      if (count >= 4 && generated == wanted) return line + 1;
    }
    if (generated > wanted) break;
  }
  return 0;
}

/* The string value of a member of a JSON object, up to its closing quotation mark; of an array, its first element. */
static const char* member(const char* json, const char* name) {
  const char* found = strstr(json, name);
  if (!found) return NULL;
  found += strlen(name);
  found += strspn(found, " \t\r\n:[");
  return *found == '"' ? found + 1 : NULL;
}

int sourceMapFind(const char* path, int line, char* source, int* sourceLine) {
  static const char comment[] = "//# sourceMappingURL=";
  char name[PATH_MAX], mapPath[PATH_MAX];
  char *code = readAll(path), *map = NULL, *found = NULL;
  int result = 0;
  for (char* at = code; at && (at = strstr(at, comment)); at++) found = at;
  if (found) {
    found += strlen(comment);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(found, "\r\n"), found);
    if (beside(path, name, mapPath)) map = readAll(mapPath);
  }
  if (map) {
    const char *first = member(map, "\"sources\""), *mappings = member(map, "\"mappings\"");
    int at = first && mappings ? mapLine(mappings, line) : 0;
    if (at) {
      snprintf(name, sizeof name, "%.*s", (int)strcspn(first, "\""), first);
      result = beside(mapPath, name, source);
      *sourceLine = at;
    }
  }
  free(map);
  free(code);
  return result;
}
