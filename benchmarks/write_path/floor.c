/* The floor: what parsing, building, hashing, signing and sending cost at the least on this machine.
 *
 *     floor FILE BYTES PORT IN_FLIGHT [tls]
 *
 * Reads the first BYTES of a CSV file of tickets whose header names the columns in the order below,
 * and puts its rows with BatchWriteItem, 25 at a time, over IN_FLIGHT connections to 127.0.0.1. It
 * validates nothing, retries nothing and counts nothing that a loader must. Prints one JSON object:
 * rows, CPU seconds (user and system, by getrusage) and wall seconds, from the first byte parsed to
 * the last answer. Reading the file and opening the connections come before.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_ITEMS = 25, COLUMNS = 7, HEAD_ROOM = 1024, REQUEST_SIZE = 1 << 20, ANSWER_SIZE = 4096 };

/* What stands before each value of an item. */
static const char *const before[COLUMNS] = {
    "{\"PutRequest\":{\"Item\":{\"ticket_id\":{\"S\":\"",
    "\"},\"product\":{\"S\":\"",
    "\"},\"basket_id\":{\"S\":\"",
    "\"},\"timestamp\":{\"S\":\"",
    "\"},\"category\":{\"S\":\"",
    "\"},\"quantity\":{\"N\":\"",
    "\"},\"store\":{\"S\":\"",
};
static const char after_item[] = "\"}}}}";
static size_t before_length[COLUMNS];

struct connection {
    int fd;
    SSL *ssl;
    char *request; /* the body begins at HEAD_ROOM, its head ends there */
    size_t start, end;
    char answer[ANSWER_SIZE];
    size_t answered;
};

static const char *input, *input_end;
static long rows;
static int port;
static unsigned char signing_key[SHA256_DIGEST_LENGTH];
static char stamp[17]; /* 20260131T235959Z */

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* ---- parse and build */

/* Escapes what JSON wants escaped; the rest is copied in one piece. */
static char *put_value(char *out, const char *from, const char *end, bool doubled_quotes) {
    for (const char *p = from;; p++) {
        if (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\') continue;
        memcpy(out, from, (size_t)(p - from));
        out += p - from;
        if (p == end) return out;
        if (*p == '"' || *p == '\\') {
            *out++ = '\\';
            *out++ = *p;
            if (doubled_quotes && *p == '"') p++;
        } else {
            out += sprintf(out, "\\u%04x", (unsigned char)*p);
        }
        from = p + 1;
    }
}

/* Copies the next field's value and returns where its delimiter or line end stands. */
static const char *put_field(char **out, const char *at) {
    const char *end;
    if (at < input_end && *at == '"') {
        end = ++at;
        for (;; end += 2) {
            end = memchr(end, '"', (size_t)(input_end - end));
            if (!end) fail("floor: an unclosed quote");
            if (end + 1 == input_end || end[1] != '"') break;
        }
        *out = put_value(*out, at, end, true);
        return end + 1;
    }
    for (end = at; end < input_end && *end != ',' && *end != '\n'; end++) {}
    const char *last = end;
    if (last > at && last[-1] == '\r') last--;
    *out = put_value(*out, at, last, false);
    return end;
}

/* The next rows' body; its length, or 0 at the end of the input. */
static size_t build_body(char *body) {
    char *out = body;
    int items = 0;
    out = stpcpy(out, "{\"RequestItems\":{\"Tickets\":[");
    for (; items < BATCH_ITEMS && input < input_end; items++) {
        if (items) *out++ = ',';
        for (int column = 0; column < COLUMNS; column++) {
            memcpy(out, before[column], before_length[column]);
            out += before_length[column];
            input = put_field(&out, input);
            if (column < COLUMNS - 1) input++;
        }
        while (input < input_end && *input++ != '\n') {}
        memcpy(out, after_item, sizeof after_item - 1);
        out += sizeof after_item - 1;
    }
    if (!items) return 0;
    out = stpcpy(out, "]}}");
    rows += items;
    return (size_t)(out - body);
}

/* ---- sign (AWS Signature Version 4, the day's key made once) */

static void hmac(const void *key, size_t key_length, const char *text, size_t length,
                 unsigned char *out) {
    if (!HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)text, length, out, NULL))
        fail("floor: HMAC");
}

static void make_signing_key(void) {
    time_t now = time(NULL);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime(&now));
    unsigned char key[SHA256_DIGEST_LENGTH];
    hmac("AWS4secret", 10, stamp, 8, key);
    hmac(key, sizeof key, "us-east-1", 9, key);
    hmac(key, sizeof key, "dynamodb", 8, key);
    hmac(key, sizeof key, "aws4_request", 12, signing_key);
}

static void hex(const unsigned char *digest, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        *out++ = digits[digest[i] >> 4];
        *out++ = digits[digest[i] & 15];
    }
    *out = 0;
}

static void sign(const char *body, size_t length, char signature[65]) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hashed[65], text[600];
    SHA256((const unsigned char *)body, length, digest);
    hex(digest, hashed);
    int used = snprintf(text, sizeof text,
                        "POST\n/\n\ncontent-type:application/x-amz-json-1.0\nhost:127.0.0.1:%d\n"
                        "x-amz-date:%s\nx-amz-target:DynamoDB_20120810.BatchWriteItem\n\n"
                        "content-type;host;x-amz-date;x-amz-target\n%s",
                        port, stamp, hashed);
    SHA256((const unsigned char *)text, (size_t)used, digest);
    hex(digest, hashed);
    used = snprintf(text, sizeof text,
                    "AWS4-HMAC-SHA256\n%s\n%.8s/us-east-1/dynamodb/aws4_request\n%s", stamp, stamp,
                    hashed);
    hmac(signing_key, sizeof signing_key, text, (size_t)used, digest);
    hex(digest, signature);
}

/* Puts the head right before the body. */
static void put_head(struct connection *one, size_t body_length) {
    char head[HEAD_ROOM], signature[65];
    sign(one->request + HEAD_ROOM, body_length, signature);
    int length = snprintf(
        head, sizeof head,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/x-amz-json-1.0\r\n"
        "X-Amz-Target: DynamoDB_20120810.BatchWriteItem\r\nX-Amz-Date: %s\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=key/%.8s/us-east-1/dynamodb/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=%s\r\n"
        "Content-Length: %zu\r\n\r\n",
        port, stamp, stamp, signature, body_length);
    one->start = HEAD_ROOM - (size_t)length;
    one->end = HEAD_ROOM + body_length;
    memcpy(one->request + one->start, head, (size_t)length);
}

/* ---- send and receive */

static int poller;

static void watch(struct connection *one, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = one};
    if (epoll_ctl(poller, how, one->fd, &event)) fail("floor: epoll_ctl");
}

/* False if the socket takes no more for now. */
static bool flush(struct connection *one) {
    while (one->start < one->end) {
        const char *from = one->request + one->start;
        size_t length = one->end - one->start;
        ssize_t sent;
        if (one->ssl) {
            sent = SSL_write(one->ssl, from, (int)length);
            int error = sent > 0 ? 0 : SSL_get_error(one->ssl, (int)sent);
            if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) return false;
        } else {
            sent = send(one->fd, from, length, MSG_NOSIGNAL);
            if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
        }
        if (sent <= 0) fail("floor: send");
        one->start += (size_t)sent;
    }
    return true;
}

/* Sends the next rows; false if there are none left. */
static bool send_next(struct connection *one) {
    size_t length = build_body(one->request + HEAD_ROOM);
    if (!length) return false;
    put_head(one, length);
    one->answered = 0;
    if (!flush(one)) watch(one, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    return true;
}

/* Whether the answer is there whole. Ends the program if it is not the expected one. */
static bool receive(struct connection *one) {
    char *to = one->answer + one->answered;
    size_t room = ANSWER_SIZE - 1 - one->answered;
    ssize_t length;
    if (one->ssl) {
        length = SSL_read(one->ssl, to, (int)room);
        if (length <= 0 && SSL_get_error(one->ssl, (int)length) == SSL_ERROR_WANT_READ) return false;
    } else {
        length = recv(one->fd, to, room, 0);
        if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    }
    if (length <= 0) fail("floor: recv");
    one->answered += (size_t)length;
    one->answer[one->answered] = 0;
    char *body = strstr(one->answer, "\r\n\r\n"), *size = strcasestr(one->answer, "content-length:");
    if (!body || (size_t)(one->answer + one->answered - body - 4) < strtoul(size + 15, NULL, 10))
        return false;
    if (strncmp(one->answer, "HTTP/1.1 200 ", 13) || strcmp(body + 4, "{\"UnprocessedItems\":{}}")) {
        fprintf(stderr, "floor: unexpected answer: %s\n", one->answer);
        exit(1);
    }
    return true;
}

static void open_connection(struct connection *one, SSL_CTX *tls) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    one->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (one->fd < 0 || connect(one->fd, (struct sockaddr *)&address, sizeof address))
        fail("floor: connect");
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (tls) {
        one->ssl = SSL_new(tls);
        if (!one->ssl || !SSL_set_fd(one->ssl, one->fd) || SSL_connect(one->ssl) != 1)
            fail("floor: TLS");
    }
    if (fcntl(one->fd, F_SETFL, O_NONBLOCK)) fail("floor: fcntl");
    one->request = malloc(REQUEST_SIZE);
    if (!one->request) fail("floor: malloc");
    watch(one, EPOLLIN, EPOLL_CTL_ADD);
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double wall_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_input(const char *path, size_t bytes) {
    FILE *file = fopen(path, "rb");
    char *memory = malloc(bytes);
    if (!file || !memory || fread(memory, 1, bytes, file) != bytes) fail(path);
    fclose(file);
    input_end = memory + bytes;
    input = memchr(memory, '\n', bytes); /* the header */
    if (!input++) fail("floor: no header");
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: floor FILE BYTES PORT IN_FLIGHT [tls]\n");
        return 2;
    }
    read_input(argv[1], strtoul(argv[2], NULL, 10));
    port = atoi(argv[3]);
    int in_flight = atoi(argv[4]);
    SSL_CTX *tls = argc > 5 ? SSL_CTX_new(TLS_client_method()) : NULL;
    if (tls) SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    for (int i = 0; i < COLUMNS; i++) before_length[i] = strlen(before[i]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) fail("floor: epoll_create1");
    struct connection *connections = calloc((size_t)in_flight, sizeof *connections);
    if (!connections) fail("floor: calloc");
    for (int i = 0; i < in_flight; i++) open_connection(&connections[i], tls);
    make_signing_key();

    double cpu = cpu_seconds(), wall = wall_seconds();
    int under_way = 0;
    while (under_way < in_flight && send_next(&connections[under_way])) under_way++;
    while (under_way) {
        struct epoll_event events[64];
        int count = epoll_wait(poller, events, 64, -1);
        if (count < 0 && errno != EINTR) fail("floor: epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *one = events[i].data.ptr;
            if (events[i].events & EPOLLOUT && flush(one)) watch(one, EPOLLIN, EPOLL_CTL_MOD);
            if (events[i].events & EPOLLIN && receive(one) && !send_next(one)) under_way--;
        }
    }
    printf("{\"rows\": %ld, \"cpu\": %.6f, \"wall\": %.6f}\n", rows, cpu_seconds() - cpu,
           wall_seconds() - wall);
    return 0;
}
