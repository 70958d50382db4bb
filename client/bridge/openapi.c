/* The document itself is openapi.json. */
#include "internal.h"

const unsigned char bridge_openapi[] = {
#include "openapi.inc"
};
const size_t bridge_openapi_len = sizeof bridge_openapi;
