/* A request's parameters, from its URL and from a JSON body. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "internal.h"
#include "wire/status.h"

enum kind { FIELD, KERNEL, PRECISION, FLAG, DATA, PALETTE, MODE };

/* In the order of exchange.seen's bits. */
static const struct param {
    const char *name;
    enum kind kind;
} params[] = {
    {"width", FIELD},    {"height", FIELD},        {"tile_w", FIELD},        {"tile_h", FIELD},
    {"max_iter", FIELD}, {"time_limit_ms", FIELD}, {"num_threads", FIELD},   {"schedule", FIELD},
    {"region", FIELD},   {"kernel", KERNEL},       {"precision", PRECISION}, {"summary", FLAG},
    {"pretty", FLAG},    {"palette", PALETTE},     {"mode", MODE},           {"data", DATA},
};

#define PARAMS (sizeof params / sizeof *params)

static bool fail(struct exchange *exchange, const char *name, const char *what)
{
    exchange->error = (struct tilery_error){.status = TILERY_INVALID_ARGUMENT};
    (void)snprintf(exchange->error.message, sizeof exchange->error.message, "%s %s", name, what);
    return false;
}

static bool fail_value(struct exchange *exchange, const char *name, const char *value, const char *range)
{
    char shown[80];

    exchange->error = (struct tilery_error){.status = TILERY_INVALID_ARGUMENT};
    (void)snprintf(exchange->error.message, sizeof exchange->error.message, "%s is \"%s\"; it must be %s",
                   name, wire_quote(shown, sizeof shown, value), range);
    return false;
}

static bool set_flag(struct exchange *exchange, const char *name, const char *value)
{
    bool *flag = strcmp(name, "summary") == 0  ? &exchange->json.summary
                 : strcmp(name, "pretty") == 0 ? &exchange->pretty
                                               : &exchange->data;

    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return fail_value(exchange, name, value, "0 or 1");
    *flag = value[0] == '1';
    return true;
}

static bool set_precision(struct exchange *exchange, const char *value)
{
    exchange->json.ns = strcmp(value, "ns") == 0;
    return exchange->json.ns || strcmp(value, "ms") == 0 ||
           fail_value(exchange, "precision", value, "ms or ns");
}

static bool set_mode(struct exchange *exchange, const char *value)
{
    bool sequential = strcmp(value, "sequential") == 0;

    exchange->request.mode = sequential ? TILERY_MODE_SEQUENTIAL : TILERY_MODE_CONCURRENT;
    return sequential || strcmp(value, "concurrent") == 0 ||
           fail_value(exchange, "mode", value, "concurrent or sequential");
}

/* The server judges the name, as it knows its machine; what cannot be one is not sent there. */
static bool set_kernel(struct exchange *exchange, const char *value)
{
    if (value[0] == '\0' || strlen(value) >= sizeof exchange->kernel)
        return fail_value(exchange, "kernel", value, "auto or the name of one of the server's kernels");
    (void)snprintf(exchange->kernel, sizeof exchange->kernel, "%s", value);
    exchange->request.kernel = exchange->kernel;
    exchange->json.kernel = true;
    return true;
}

static bool set_palette(struct exchange *exchange, const char *value)
{
    return image_find_palette(value, &exchange->palette) ||
           fail_value(exchange, "palette", value, "grey, viridis, magma or thread");
}

static bool set_field(struct exchange *exchange, const char *name, const char *value)
{
    exchange->json.schedule |= strcmp(name, "schedule") == 0;
    exchange->json.region |= strcmp(name, "region") == 0;
    return tilery_compute_request_set(&exchange->request, name, value, &exchange->error) == TILERY_OK;
}

static size_t find(const char *name, size_t len)
{
    size_t i = 0;

    while (i < PARAMS && (strlen(params[i].name) != len || memcmp(params[i].name, name, len) != 0))
        i++;
    return i;
}

/* Only a picture has a palette, and only the documented JSON is without counts until data asks for them.
 * Where the path says the mode, mode says nothing, and nor does num_threads where that is sequential. */
static bool is_ignored(const struct exchange *exchange, size_t i)
{
    if (i == PARAMS || (params[i].kind == PALETTE && !exchange->is_picture))
        return true;
    if (exchange->streams)
        return params[i].kind == DATA;
    return params[i].kind == MODE ||
           (params[i].kind == DATA && (exchange->is_picture || exchange->format != FORMAT_JSON)) ||
           (exchange->request.mode == TILERY_MODE_SEQUENTIAL && strcmp(params[i].name, "num_threads") == 0);
}

static bool set(struct exchange *exchange, const char *name, size_t name_len, const char *value)
{
    size_t i = find(name, name_len);

    if (is_ignored(exchange, i))
        return true;
    if ((exchange->seen >> i & 1) != 0)
        return fail(exchange, params[i].name, "is given twice; it must be given at most once");
    exchange->seen |= 1u << i;
    switch (params[i].kind) {
    case KERNEL:
        return set_kernel(exchange, value);
    case PRECISION:
        return set_precision(exchange, value);
    case FLAG:
    case DATA:
        return set_flag(exchange, params[i].name, value);
    case PALETTE:
        return set_palette(exchange, value);
    case MODE:
        return set_mode(exchange, value);
    case FIELD:
        break;
    }
    return set_field(exchange, params[i].name, value);
}

static enum MHD_Result read_one(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_size,
                                const char *value, size_t value_size)
{
    struct exchange *exchange = arg;

    (void)kind;
    (void)value_size;
    exchange->failed = !set(exchange, key, key_size, value != NULL ? value : "");
    return exchange->failed ? MHD_NO : MHD_YES;
}

/* ---- JSON ---- */

/* A value as the URL has it; NULL when it is of a type that no parameter has, or an array that is too long.
 */
static const char *text_of(const json_t *value, char *text, size_t size)
{
    size_t used = 0, i;
    json_t *element;

    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "1" : "0";
    if (json_is_real(value)) {
        (void)snprintf(text, size, "%.17g", json_real_value(value));
        return text;
    }
    if (!json_is_array(value))
        return NULL;
    text[0] = '\0';
    json_array_foreach(value, i, element)
    {
        if (!json_is_number(element) || used >= size)
            return NULL;
        used += (size_t)snprintf(text + used, size - used, "%s%.17g", i == 0 ? "" : ",",
                                 json_number_value(element));
    }
    return text;
}

/* The field that takes an array is a region. */
static bool fits(const json_t *value, size_t i)
{
    return json_is_string(value) || json_is_number(value) ||
           (json_is_boolean(value) && (params[i].kind == FLAG || params[i].kind == DATA)) ||
           (json_is_array(value) && strcmp(params[i].name, "region") == 0);
}

static bool fail_type(struct exchange *exchange, const json_t *value, size_t i)
{
    const char *type = json_is_boolean(value)  ? "a boolean"
                       : json_is_array(value)  ? "an array"
                       : json_is_object(value) ? "an object"
                                               : "null";
    const char *wanted = strcmp(params[i].name, "region") == 0 ? "a string or an array of four numbers"
                         : params[i].kind == FLAG || params[i].kind == DATA
                             ? "a boolean, a number or a string"
                             : "a number or a string";
    char why[80];

    (void)snprintf(why, sizeof why, "is %s; it must be %s", type, wanted);
    return fail(exchange, params[i].name, why);
}

static bool read_member(struct exchange *exchange, const char *key, const json_t *value)
{
    size_t i = find(key, strlen(key));
    char buffer[256];
    const char *text;

    if (is_ignored(exchange, i))
        return true;
    text = fits(value, i) ? text_of(value, buffer, sizeof buffer) : NULL;
    if (text == NULL)
        return fail_type(exchange, value, i);
    return set(exchange, key, strlen(key), text);
}

static bool read_body(struct exchange *exchange)
{
    json_error_t why = {.line = 1, .text = "it is empty"};
    /* As reals, whole numbers of any size come as far as the check that names their parameter. */
    json_t *body = exchange->body == NULL
                       ? NULL
                       : json_loadb(exchange->body, exchange->body_len,
                                    JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &why);
    char shown[JSON_ERROR_TEXT_LENGTH];
    json_t *value;
    const char *key;
    bool good = json_is_object(body);

    if (body == NULL) {
        exchange->error = (struct tilery_error){.status = TILERY_INVALID_ARGUMENT};
        (void)snprintf(exchange->error.message, sizeof exchange->error.message,
                       "the body is no JSON object: %s in line %d", wire_quote(shown, sizeof shown, why.text),
                       why.line); /* it may end within a letter */
        return false;
    }
    if (!good)
        (void)fail(exchange, "the body", "is JSON but no object; it must be one such as {\"width\": 96}");
    else
        json_object_foreach(body, key, value) if (!(good = read_member(exchange, key, value))) break;
    json_decref(body);
    return good;
}

bool bridge_read_params(struct exchange *exchange)
{
    exchange->failed = false;
    (void)MHD_get_connection_values_n(exchange->connection, MHD_GET_ARGUMENT_KIND, read_one, exchange);
    return !exchange->failed && (strcmp(exchange->method, "POST") != 0 || read_body(exchange));
}
