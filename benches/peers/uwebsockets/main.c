/* uWebSockets by its C interface, on libuv, as the package of socketify brings it. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What is used of the interface; the library brings no header. */
typedef struct app app;
typedef struct response response;
typedef struct request request;
typedef void (*handler)(response *, request *, void *);
struct context_options {
    const char *files_and_phrases[6];
    int prefer_low_memory;
};
struct listen_options {
    int port;
    const char *host;
    int options;
};
app *uws_create_app(int ssl, struct context_options options);
void uws_app_get(int ssl, app *app, const char *pattern, handler handler, void *data);
void uws_app_listen_with_config(int ssl, app *app, struct listen_options options,
                                void (*done)(void *, struct listen_options, void *), void *data);
void uws_app_run(int ssl, app *app);
void uws_res_write_header(int ssl, response *response, const char *name, size_t name_length,
                          const char *value, size_t value_length);
void uws_res_end(int ssl, response *response, const char *body, size_t length, _Bool close);

static void field(response *response, const char *name, const char *value) {
    uws_res_write_header(0, response, name, strlen(name), value, strlen(value));
}

static void answer(response *response, const char *type, const char *body) {
    field(response, "Content-Type", type);
    uws_res_end(0, response, body, strlen(body), 0);
}

static void plaintext(response *response, request *request, void *data) {
    (void)request, (void)data;
    answer(response, "text/plain", "Hello, World!");
}

static void json(response *response, request *request, void *data) {
    (void)request, (void)data;
    answer(response, "application/json", "{\"message\":\"Hello, World!\"}");
}

static void listening(void *socket, struct listen_options options, void *data) {
    (void)options, (void)data;
    if (!socket) {
        abort();
    }
}

int main(int count, char **arguments) {
    struct context_options none = {0};
    struct listen_options address = {count > 1 ? atoi(arguments[1]) : 8080, "127.0.0.1", 0};
    app *application = uws_create_app(0, none);
    uws_app_get(0, application, "/plaintext", plaintext, NULL);
    uws_app_get(0, application, "/json", json, NULL);
    uws_app_listen_with_config(0, application, address, listening, NULL);
    uws_app_run(0, application);
    return 0;
}
