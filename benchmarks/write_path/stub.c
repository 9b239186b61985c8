/* A stand-in for DynamoDB's BatchWriteItem that is fast enough to measure clients against.
 *
 *     stub CERTIFICATE KEY        PEM files, for TLS
 *
 * One thread, epoll, HTTP/1.1 with keep-alive. It listens on two free ports of 127.0.0.1 and prints
 * them: "PLAIN TLS\n". It ends when its standard input does, so it never outlives its parent.
 *
 *     POST /reset?latency_ms=5&unprocessed=0.05&throttled=0.03&capacity=4000&burst=4000
 *                                 forget all items and set the behaviour; what is left out is 0
 *     GET /stats                  what came so far, as JSON
 *
 *     latency_ms   every answer waits so long
 *     unprocessed  share of the items that come back as UnprocessedItems
 *     throttled    share of the requests that are refused whole
 *     capacity     items a second that the table takes (a token bucket of `burst` items, full at
 *                  first; 0: any number). What does not fit comes back as UnprocessedItems; if
 *                  nothing fits, the request is refused as a throttled one.
 *
 * Whether every row arrived exactly once is told by `items` (accepted), `distinct` (different ones
 * among them) and `hash`, an order-independent sum over the accepted items, in which the order of
 * an item's attributes and the way its JSON is written make no difference; see samples.py.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ITEMS = 25, MOST_EVENTS = 64, READ_SIZE = 64 * 1024, LARGEST_REQUEST = 32 << 20 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *allocate(void *old, size_t size) {
    void *memory = realloc(old, size);
    if (!memory) fail("stub: realloc");
    return memory;
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- growing buffers */

struct buffer {
    char *bytes;
    size_t length, capacity;
};

static void reserve(struct buffer *buffer, size_t more) {
    if (buffer->length + more <= buffer->capacity) return;
    while (buffer->length + more > buffer->capacity)
        buffer->capacity = buffer->capacity ? buffer->capacity * 2 : READ_SIZE;
    buffer->bytes = allocate(buffer->bytes, buffer->capacity);
}

static void append(struct buffer *buffer, const char *bytes, size_t length) {
    reserve(buffer, length);
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

static void append_text(struct buffer *buffer, const char *text) {
    append(buffer, text, strlen(text));
}

/* ---- hashes */

static uint32_t crc_table[256];

static void make_crc_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++) value = value & 1 ? 0xEDB88320u ^ value >> 1 : value >> 1;
        crc_table[byte] = value;
    }
}

/* As zlib.crc32(bytes, before). */
static uint32_t crc32(const char *bytes, size_t length, uint32_t before) {
    uint32_t value = ~before;
    for (size_t i = 0; i < length; i++)
        value = crc_table[(value ^ (unsigned char)bytes[i]) & 0xFF] ^ value >> 8;
    return ~value;
}

/* The finaliser of splitmix64: every bit of the input changes half of the output's. */
static uint64_t mixed(uint64_t value) {
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

static double random_share(void) {
    static uint64_t state = 1;
    state += UINT64_C(0x9E3779B97F4A7C15);
    return (double)(mixed(state) >> 11) / (double)(UINT64_C(1) << 53);
}

/* ---- what came */

static struct {
    double latency_ms, unprocessed, throttled, capacity, burst;
} settings;

static struct {
    uint64_t requests, items, distinct, hash, unprocessed, throttled, refused, most_in_flight;
    int64_t first_at, last_at; /* of accepted items */
} counts;

static uint64_t in_flight;
static double tokens;
static int64_t tokens_at;

static uint64_t *seen; /* an open hash table of item hashes; 0 is free */
static size_t seen_size;

static void place(uint64_t *table, size_t size, uint64_t hash, bool *is_new) {
    size_t at = hash & (size - 1);
    while (table[at] && table[at] != hash) at = (at + 1) & (size - 1);
    *is_new = !table[at];
    table[at] = hash;
}

static void forget_items(void) {
    free(seen);
    seen_size = 1 << 16;
    seen = calloc(seen_size, sizeof *seen);
    if (!seen) fail("stub: calloc");
}

static void accept_item(uint64_t hash) {
    bool is_new;
    if (counts.distinct * 2 >= seen_size) {
        uint64_t *larger = calloc(seen_size * 4, sizeof *larger);
        if (!larger) fail("stub: calloc");
        for (size_t i = 0; i < seen_size; i++)
            if (seen[i]) place(larger, seen_size * 4, seen[i], &is_new);
        free(seen);
        seen = larger;
        seen_size *= 4;
    }
    place(seen, seen_size, hash ? hash : 1, &is_new);
    counts.items++;
    counts.distinct += is_new;
    counts.hash += hash;
}

/* Takes up to `wanted` tokens and says how many there were. */
static int take_tokens(int wanted) {
    if (settings.capacity <= 0) return wanted;
    int64_t now = nanoseconds();
    tokens += (double)(now - tokens_at) / 1e9 * settings.capacity;
    tokens_at = now;
    if (tokens > settings.burst) tokens = settings.burst;
    int taken = tokens < wanted ? (int)tokens : wanted;
    tokens -= taken;
    return taken;
}

/* ---- JSON, as much of it as a BatchWriteItem request needs. Functions that move `*at` forward
 * return false for what is not as expected. */

struct text {
    const char *start, *end;
};

static void skip_space(const char **at, const char *end) {
    while (*at < end && (**at == ' ' || **at == '\n' || **at == '\t' || **at == '\r')) ++*at;
}

static bool take(const char **at, const char *end, char wanted) {
    skip_space(at, end);
    if (*at >= end || **at != wanted) return false;
    ++*at;
    return true;
}

/* A string's inside, escapes left as they are. */
static bool take_string(const char **at, const char *end, struct text *inside) {
    if (!take(at, end, '"')) return false;
    inside->start = *at;
    for (const char *p = *at; p < end; p++) {
        if (*p == '\\') {
            p++;
        } else if (*p == '"') {
            inside->end = p;
            *at = p + 1;
            return true;
        }
    }
    return false;
}

/* A string, an object or an array. */
static bool skip_value(const char **at, const char *end) {
    int depth = 0;
    do {
        struct text ignored;
        skip_space(at, end);
        if (*at >= end) return false;
        if (**at == '"') {
            if (!take_string(at, end, &ignored)) return false;
        } else {
            if (**at == '{' || **at == '[') depth++;
            if (**at == '}' || **at == ']') depth--;
            ++*at;
        }
    } while (depth > 0);
    return true;
}

static bool is(struct text text, const char *wanted) {
    size_t length = (size_t)(text.end - text.start);
    return length == strlen(wanted) && !memcmp(text.start, wanted, length);
}

static unsigned hex4(const char *p) {
    char digits[5] = {p[0], p[1], p[2], p[3], 0};
    return (unsigned)strtoul(digits, NULL, 16);
}

/* What the inside of a string stands for, in UTF-8. Strings without escapes stay where they are. */
static struct text unescaped(struct text text) {
    static struct buffer scratch;
    if (!memchr(text.start, '\\', (size_t)(text.end - text.start))) return text;
    scratch.length = 0;
    reserve(&scratch, (size_t)(text.end - text.start));
    char *out = scratch.bytes;
    for (const char *p = text.start; p < text.end; p++) {
        if (*p != '\\') {
            *out++ = *p;
            continue;
        }
        static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
        p++;
        const char *letter = strchr(letters, *p);
        if (*p == 'u') {
            unsigned code = hex4(p + 1);
            p += 4;
            if (code >= 0xD800 && code < 0xDC00) { /* the first half of a surrogate pair */
                code = 0x10000 + ((code - 0xD800) << 10) + (hex4(p + 3) - 0xDC00);
                p += 6;
            }
            if (code < 0x80) {
                *out++ = (char)code;
            } else if (code < 0x800) {
                *out++ = (char)(0xC0 | code >> 6);
                *out++ = (char)(0x80 | (code & 0x3F));
            } else {
                if (code < 0x10000) {
                    *out++ = (char)(0xE0 | code >> 12);
                } else {
                    *out++ = (char)(0xF0 | code >> 18);
                    *out++ = (char)(0x80 | (code >> 12 & 0x3F));
                }
                *out++ = (char)(0x80 | (code >> 6 & 0x3F));
                *out++ = (char)(0x80 | (code & 0x3F));
            }
        } else {
            *out++ = letter && *letter ? controls[letter - letters] : *p;
        }
    }
    return (struct text){scratch.bytes, out};
}

struct item {
    struct text request; /* {"PutRequest": ...} as it came */
    uint64_t hash, key_hash;
};

/* {"ticket_id": {"S": "..."}, ...} */
static bool take_item(const char **at, const char *end, struct item *item) {
    uint64_t sum = 0;
    item->key_hash = 0;
    if (!take(at, end, '{')) return false;
    do {
        struct text name, kind, value;
        if (!take_string(at, end, &name) || !take(at, end, ':') || !take(at, end, '{') ||
            !take_string(at, end, &kind) || !take(at, end, ':') ||
            !take_string(at, end, &value) || !take(at, end, '}') || (!is(kind, "S") && !is(kind, "N")))
            return false;
        uint32_t name_crc = crc32(name.start, (size_t)(name.end - name.start), 0);
        bool is_key = is(name, "ticket_id") || is(name, "product");
        value = unescaped(value);
        uint32_t value_crc = crc32(value.start, (size_t)(value.end - value.start), *kind.start);
        uint64_t attribute = mixed((uint64_t)name_crc << 32 | value_crc);
        sum += attribute;
        if (is_key) item->key_hash += attribute;
    } while (take(at, end, ','));
    item->hash = mixed(sum);
    return take(at, end, '}');
}

/* The items of {"RequestItems": {"Tickets": [{"PutRequest": {"Item": ...}}, ...]}, ...}: how many,
 * or -1 for what DynamoDB would refuse. */
static int read_batch(const char *at, const char *end, struct text *table, struct item *items) {
    struct text name;
    int count = 0;
    if (!take(&at, end, '{')) return -1;
    for (;;) {
        if (!take_string(&at, end, &name) || !take(&at, end, ':')) return -1;
        if (is(name, "RequestItems")) break;
        if (!skip_value(&at, end) || !take(&at, end, ',')) return -1;
    }
    if (!take(&at, end, '{') || !take_string(&at, end, table) || !take(&at, end, ':') ||
        !take(&at, end, '['))
        return -1;
    do {
        if (count == MOST_ITEMS) return -1;
        struct item *item = &items[count];
        struct text put, inner;
        skip_space(&at, end);
        item->request.start = at;
        if (!take(&at, end, '{') || !take_string(&at, end, &put) || !is(put, "PutRequest") ||
            !take(&at, end, ':') || !take(&at, end, '{') || !take_string(&at, end, &inner) ||
            !is(inner, "Item") || !take(&at, end, ':') || !take_item(&at, end, item) ||
            !take(&at, end, '}') || !take(&at, end, '}'))
            return -1;
        item->request.end = at;
        for (int i = 0; i < count; i++)
            if (items[i].key_hash == item->key_hash) return -1; /* two equal keys in a batch */
        count++;
    } while (take(&at, end, ','));
    return take(&at, end, ']') && take(&at, end, '}') ? count : -1;
}

/* ---- answers */

static void answer(struct buffer *out, int status, const struct buffer *body) {
    char head[300];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %d %s\r\nServer: Server\r\n"
                          "Content-Type: application/x-amz-json-1.0\r\nContent-Length: %zu\r\n"
                          "Connection: keep-alive\r\nx-amzn-RequestId: %052llu\r\n"
                          "x-amz-crc32: %u\r\n\r\n",
                          status, status == 200 ? "OK" : "Bad Request", body->length,
                          (unsigned long long)counts.requests,
                          crc32(body->bytes, body->length, 0));
    append(out, head, (size_t)length);
    append(out, body->bytes, body->length);
}

static void refuse(struct buffer *out, struct buffer *body, const char *type) {
    append_text(body, "{\"__type\":\"com.amazonaws.dynamodb.v20120810#");
    append_text(body, type);
    append_text(body, "\",\"message\":\"Refused by the stub.\"}");
    answer(out, 400, body);
}

static void throttle(struct buffer *out, struct buffer *body) {
    counts.throttled++;
    refuse(out, body, "ProvisionedThroughputExceededException");
}

static void write_batch(struct buffer *out, struct buffer *body, const char *at, const char *end) {
    struct item items[MOST_ITEMS];
    struct text table;
    int count = read_batch(at, end, &table, items);
    if (count < 0) {
        counts.refused++;
        refuse(out, body, "ValidationException");
        return;
    }
    if (settings.throttled > 0 && random_share() < settings.throttled) {
        throttle(out, body);
        return;
    }
    int left_count = 0, accepted = take_tokens(count);
    struct text left[MOST_ITEMS];
    bool takes[MOST_ITEMS];
    for (int i = 0; i < count; i++) {
        takes[i] = i < accepted && !(settings.unprocessed > 0 && random_share() < settings.unprocessed);
        if (!takes[i]) left[left_count++] = items[i].request;
    }
    if (left_count == count) {
        throttle(out, body);
        return;
    }
    for (int i = 0; i < count; i++)
        if (takes[i]) accept_item(items[i].hash);
    counts.last_at = nanoseconds();
    if (!counts.first_at) counts.first_at = counts.last_at;
    counts.unprocessed += (uint64_t)left_count;
    append_text(body, "{\"UnprocessedItems\":{");
    for (int i = 0; i < left_count; i++) {
        if (i == 0) {
            append_text(body, "\"");
            append(body, table.start, (size_t)(table.end - table.start));
            append_text(body, "\":[");
        } else {
            append_text(body, ",");
        }
        append(body, left[i].start, (size_t)(left[i].end - left[i].start));
    }
    append_text(body, left_count ? "]}}" : "}}");
    answer(out, 200, body);
}

static void describe_table(struct buffer *out, struct buffer *body) {
    append_text(body,
                "{\"Table\":{\"TableName\":\"Tickets\",\"TableStatus\":\"ACTIVE\","
                "\"TableArn\":\"arn:aws:dynamodb:us-east-1:000000000000:table/Tickets\","
                "\"ItemCount\":0,\"TableSizeBytes\":0,\"AttributeDefinitions\":["
                "{\"AttributeName\":\"product\",\"AttributeType\":\"S\"},"
                "{\"AttributeName\":\"ticket_id\",\"AttributeType\":\"S\"}],\"KeySchema\":["
                "{\"AttributeName\":\"ticket_id\",\"KeyType\":\"HASH\"},"
                "{\"AttributeName\":\"product\",\"KeyType\":\"RANGE\"}]}}");
    answer(out, 200, body);
}

static double setting(const char *query, const char *name) {
    const char *found = strstr(query, name);
    return found && found[strlen(name)] == '=' ? atof(found + strlen(name) + 1) : 0;
}

static void reset(struct buffer *out, struct buffer *body, const char *query) {
    settings.latency_ms = setting(query, "latency_ms");
    settings.unprocessed = setting(query, "unprocessed");
    settings.throttled = setting(query, "throttled");
    settings.capacity = setting(query, "capacity");
    settings.burst = setting(query, "burst");
    tokens = settings.burst;
    tokens_at = nanoseconds();
    memset(&counts, 0, sizeof counts);
    forget_items();
    append_text(body, "{}");
    answer(out, 200, body);
}

static void stats(struct buffer *out, struct buffer *body) {
    char text[500];
    snprintf(text, sizeof text,
             "{\"requests\":%llu,\"items\":%llu,\"distinct\":%llu,\"hash\":\"%016llx\","
             "\"unprocessed\":%llu,\"throttled\":%llu,\"refused\":%llu,\"most_in_flight\":%llu,"
             "\"seconds\":%.6f}",
             (unsigned long long)counts.requests, (unsigned long long)counts.items,
             (unsigned long long)counts.distinct, (unsigned long long)counts.hash,
             (unsigned long long)counts.unprocessed, (unsigned long long)counts.throttled,
             (unsigned long long)counts.refused, (unsigned long long)counts.most_in_flight,
             (double)(counts.last_at - counts.first_at) / 1e9);
    append_text(body, text);
    answer(out, 200, body);
}

/* ---- connections */

struct connection {
    int fd;
    SSL *ssl;
    struct buffer in, out;
    size_t sent;
    bool waiting; /* an answer waits for its time */
    bool closed;
    int64_t due;
    struct connection *next; /* in the queue of waiting answers, or in the list of closed ones */
};

static int poller, timer;
static SSL_CTX *tls;
static struct connection *first_waiting, *last_waiting; /* all wait equally long */
static struct connection *closed;

static void watch(int fd, uint32_t events, void *of, int how) {
    struct epoll_event event = {.events = events, .data.ptr = of};
    if (epoll_ctl(poller, how, fd, &event)) fail("stub: epoll_ctl");
}

static void close_connection(struct connection *one) {
    if (one->fd >= 0) {
        if (one->ssl) SSL_free(one->ssl);
        close(one->fd);
        one->fd = -1;
    }
    if (one->waiting || one->closed) return; /* a waiting one is closed when its time has come */
    one->closed = true;
    one->next = closed;
    closed = one;
}

/* Only once no event in hand can name them any more. */
static void free_closed_connections(void) {
    while (closed) {
        struct connection *one = closed;
        closed = one->next;
        free(one->in.bytes);
        free(one->out.bytes);
        free(one);
    }
}

/* False if the connection is gone. */
static bool flush(struct connection *one) {
    bool blocked = false;
    while (one->sent < one->out.length && !blocked) {
        const char *from = one->out.bytes + one->sent;
        size_t length = one->out.length - one->sent;
        ssize_t written;
        if (one->ssl) {
            written = SSL_write(one->ssl, from, (int)length);
            int error = written > 0 ? 0 : SSL_get_error(one->ssl, (int)written);
            blocked = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
        } else {
            written = send(one->fd, from, length, MSG_NOSIGNAL);
            blocked = written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        }
        if (written > 0) {
            one->sent += (size_t)written;
        } else if (!blocked) {
            close_connection(one);
            return false;
        }
    }
    if (blocked) {
        watch(one->fd, EPOLLIN | EPOLLOUT, one, EPOLL_CTL_MOD);
    } else {
        one->out.length = one->sent = 0;
    }
    return true;
}

static void set_timer(void) {
    struct itimerspec when = {0};
    if (first_waiting) {
        when.it_value.tv_sec = first_waiting->due / 1000000000;
        when.it_value.tv_nsec = first_waiting->due % 1000000000;
    }
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL)) fail("stub: timerfd_settime");
}

static void wait_before_answer(struct connection *one) {
    one->due = nanoseconds() + (int64_t)(settings.latency_ms * 1e6);
    one->waiting = true;
    one->next = NULL;
    if (first_waiting) last_waiting->next = one;
    else first_waiting = one;
    last_waiting = one;
    if (first_waiting == one) set_timer();
}

static const char *header(const char *head, const char *end, const char *name) {
    size_t length = strlen(name);
    for (const char *line = head; line < end;) {
        if (!strncasecmp(line, name, length) && line[length] == ':') {
            line += length + 1;
            while (*line == ' ') line++;
            return line;
        }
        line = memchr(line, '\n', (size_t)(end - line));
        if (!line) break;
        line++;
    }
    return NULL;
}

/* Answers the requests that are there whole. False if the connection is gone. */
static bool serve(struct connection *one) {
    static struct buffer body;
    while (one->in.length && !one->waiting) {
        char *head = one->in.bytes;
        char *blank = memmem(head, one->in.length, "\r\n\r\n", 4);
        if (!blank) return true;
        const char *length_text = header(head, blank, "content-length");
        size_t length = length_text ? strtoul(length_text, NULL, 10) : 0;
        char *start = blank + 4;
        if (length > LARGEST_REQUEST) {
            close_connection(one);
            return false;
        }
        if ((size_t)(head + one->in.length - start) < length) {
            if (header(head, blank, "expect")) {
                append_text(&one->out, "HTTP/1.1 100 Continue\r\n\r\n");
                memcpy(strcasestr(head, "expect"), "answer", 6); /* once */
                return flush(one);
            }
            return true;
        }
        const char *target = header(head, blank, "x-amz-target");
        bool is_batch = false;
        body.length = 0;
        *blank = 0;
        if (target && !strncmp(target, "DynamoDB_20120810.BatchWriteItem", 32)) {
            is_batch = true;
            counts.requests++;
            if (++in_flight > counts.most_in_flight) counts.most_in_flight = in_flight;
            write_batch(&one->out, &body, start, start + length);
        } else if (target && !strncmp(target, "DynamoDB_20120810.DescribeTable", 31)) {
            describe_table(&one->out, &body);
        } else if (!strncmp(head, "POST /reset", 11)) {
            *strchr(head, '\r') = 0;
            reset(&one->out, &body, head);
        } else if (!strncmp(head, "GET /stats", 10)) {
            stats(&one->out, &body);
        } else {
            refuse(&one->out, &body, "UnknownOperationException");
        }
        size_t used = (size_t)(start - head) + length;
        memmove(head, head + used, one->in.length - used);
        one->in.length -= used;
        if (is_batch && settings.latency_ms > 0) {
            wait_before_answer(one);
        } else {
            if (is_batch) in_flight--;
            if (!flush(one)) return false;
        }
    }
    return true;
}

static void answer_those_due(void) {
    uint64_t ignored;
    if (read(timer, &ignored, sizeof ignored) < 0 && errno != EAGAIN) fail("stub: timer");
    int64_t now = nanoseconds();
    while (first_waiting && first_waiting->due <= now) {
        struct connection *one = first_waiting;
        first_waiting = one->next;
        one->waiting = false;
        in_flight--;
        if (one->fd < 0) close_connection(one);
        else if (flush(one)) serve(one);
    }
    set_timer();
}

static void read_from(struct connection *one) {
    for (;;) {
        reserve(&one->in, READ_SIZE);
        char *to = one->in.bytes + one->in.length;
        ssize_t length;
        bool blocked;
        if (one->ssl) {
            length = SSL_read(one->ssl, to, READ_SIZE);
            int error = length > 0 ? 0 : SSL_get_error(one->ssl, (int)length);
            blocked = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
        } else {
            length = recv(one->fd, to, READ_SIZE, 0);
            blocked = length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        }
        if (blocked) break;
        if (length <= 0) {
            close_connection(one);
            return;
        }
        one->in.length += (size_t)length;
        if (!one->ssl && length < READ_SIZE) break;
    }
    serve(one);
}

static int listen_anywhere(int *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 512) ||
        getsockname(fd, (struct sockaddr *)&address, &length))
        fail("stub: listen");
    *port = ntohs(address.sin_port);
    return fd;
}

static void take_connection(int listener, bool with_tls) {
    int yes = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct connection *one = calloc(1, sizeof *one);
    if (!one) fail("stub: calloc");
    one->fd = fd;
    if (with_tls) {
        one->ssl = SSL_new(tls);
        if (!one->ssl || !SSL_set_fd(one->ssl, fd)) fail("stub: SSL_new");
        SSL_set_accept_state(one->ssl);
    }
    watch(fd, EPOLLIN, one, EPOLL_CTL_ADD);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: stub CERTIFICATE KEY\n");
        return 2;
    }
    static int plain_mark, tls_mark, timer_mark, parent_mark; /* their addresses tell events apart */
    int plain_port, tls_port;
    make_crc_table();
    forget_items();
    tls = SSL_CTX_new(TLS_server_method());
    if (!tls || SSL_CTX_use_certificate_file(tls, argv[1], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, argv[2], SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "stub: cannot use %s and %s\n", argv[1], argv[2]);
        return 1;
    }
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (poller < 0 || timer < 0) fail("stub: epoll_create1");
    int plain_listener = listen_anywhere(&plain_port), tls_listener = listen_anywhere(&tls_port);
    watch(plain_listener, EPOLLIN, &plain_mark, EPOLL_CTL_ADD);
    watch(tls_listener, EPOLLIN, &tls_mark, EPOLL_CTL_ADD);
    watch(timer, EPOLLIN, &timer_mark, EPOLL_CTL_ADD);
    watch(STDIN_FILENO, EPOLLIN, &parent_mark, EPOLL_CTL_ADD);
    printf("%d %d\n", plain_port, tls_port);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[MOST_EVENTS];
        int count = epoll_wait(poller, events, MOST_EVENTS, -1);
        if (count < 0 && errno != EINTR) fail("stub: epoll_wait");
        for (int i = 0; i < count; i++) {
            void *of = events[i].data.ptr;
            char byte;
            if (of == &plain_mark) {
                take_connection(plain_listener, false);
            } else if (of == &tls_mark) {
                take_connection(tls_listener, true);
            } else if (of == &timer_mark) {
                answer_those_due();
            } else if (of == &parent_mark) {
                if (read(STDIN_FILENO, &byte, 1) <= 0) return 0;
            } else {
                struct connection *one = of;
                if (one->fd < 0) continue;
                if (events[i].events & EPOLLOUT) {
                    watch(one->fd, EPOLLIN, one, EPOLL_CTL_MOD);
                    if (!flush(one)) continue;
                }
                if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) read_from(one);
            }
        }
        free_closed_connections();
    }
}
