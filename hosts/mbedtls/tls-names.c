/* Names and addresses of a server (RFC 9525): mbedtls 2.28 does not compare addresses, and both versions take a common name for a name. */
#include "tls-x509.h"
#include <string.h>

/* Decimal or hexadecimal digits. @returns their value, or -1 */
static int number(const char** text, int base, int most) {
  int value = 0, digits = 0;
  for (;; (*text)++, digits++) {
    char c = **text;
    int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 16;
    if (digit >= base) break;
    value = value * base + digit;
    if (value > most || digits == 4) return -1;
  }
  return digits ? value : -1;
}

static int address4(const char* text, uint8_t* address) {
  for (int i = 0; i < 4; i++) {
    int value = number(&text, 10, 255);
    if (value < 0 || *text != (i < 3 ? '.' : 0)) return 0;
    address[i] = (uint8_t)value;
    text++;
  }
  return 1;
}

static int address6(const char* text, uint8_t* address) {
  int count = 0, gap = -1;
  uint8_t groups[16];
  if (text[0] == ':' && text[1] != ':') return 0;
  for (;;) {
    if (text[0] == ':' && text[1] == ':') {
      if (gap >= 0) return 0;
      gap = count;
      text += 2;
      if (!*text) break;
    } else if (count && *text++ != ':')
      return 0;
    if (count <= 12 && strchr(text, '.') && !strchr(text, ':')) {
      if (!address4(text, groups + count)) return 0;
      count += 4;
      break;
    }
    int value = number(&text, 16, 0xffff);
    if (value < 0 || count > 14) return 0;
    groups[count++] = (uint8_t)(value >> 8);
    groups[count++] = (uint8_t)value;
    if (!*text) break;
  }
  if (gap < 0) {
    if (count != 16) return 0;
    gap = 16;
  } else if (count > 14)
    return 0;
  memset(address, 0, 16);
  memcpy(address, groups, (size_t)(gap < count ? gap : count));
  if (gap < count) memcpy(address + 16 - (count - gap), groups + gap, (size_t)(count - gap));
  return 1;
}

size_t sw_x509_address(const char* text, uint8_t* address) {
  if (address4(text, address)) return 4;
  return strchr(text, ':') && address6(text, address) ? 16 : 0;
}

static int sameLetter(uint8_t a, uint8_t b) {
  if (a >= 'A' && a <= 'Z') a |= 32;
  if (b >= 'A' && b <= 'Z') b |= 32;
  return a == b;
}

/* Without case; an asterisk stands for the whole first label, and only in a name of three labels or more. */
static int isName(const uint8_t* pattern, size_t size, const char* name) {
  size_t length = strlen(name);
  if (size > 2 && pattern[0] == '*' && pattern[1] == '.') {
    const char* dot = strchr(name, '.');
    if (!dot || dot == name || !memchr(pattern + 2, '.', size - 2)) return 0;
    length -= (size_t)(dot - name);
    name = dot;
    pattern++;
    size--;
  }
  if (size != length) return 0;
  for (size_t i = 0; i < size; i++)
    if (!sameLetter(pattern[i], (uint8_t)name[i])) return 0;
  return 1;
}

int sw_x509_is_for(const mbedtls_x509_crt* certificate, const char* name) {
  uint8_t address[16];
  size_t length = sw_x509_address(name, address);
  const mbedtls_x509_sequence* entry = &certificate->subject_alt_names;
  for (; entry && entry->buf.p; entry = entry->next) {
    int kind = entry->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
    if (length) {
      if (kind == MBEDTLS_X509_SAN_IP_ADDRESS && entry->buf.len == length && memcmp(entry->buf.p, address, length) == 0) return 1;
    } else if (kind == MBEDTLS_X509_SAN_DNS_NAME && isName(entry->buf.p, entry->buf.len, name))
      return 1;
  }
  return 0;
}
