// Another author's code05.
#include <cstdio>
#include <cstring>
#include <iostream>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
using namespace std;

class MessageServer {
public:
    MessageServer() : listener(0), peer(0) {}
    ~MessageServer() { if (listener) close(listener); if (peer) close(peer); }

    bool start(unsigned short port, int queue = 5)
    {
        listener = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in here;
        memset(&here, 0, sizeof(here));
        here.sin_family = AF_INET;
        here.sin_addr.s_addr = htonl(INADDR_ANY);
        here.sin_port = htons(port);
        if (bind(listener, (sockaddr *)&here, sizeof(here)) || listen(listener, queue)) {
            leave();
            return false;
        }
        return true;
    }
    bool next() { return (peer = accept(listener, nullptr, nullptr)) > 0; }
    int put(const void *data, size_t size) { return send(peer, data, size, 0); }
    int get(void *data, size_t size) { return recv(peer, data, size, 0); }
    void leave() { close(listener); listener = 0; }
    void hangup() { close(peer); peer = 0; }

private:
    int listener, peer;
};

int main()
{
    MessageServer server;
    if (!server.start(5051)) return -1;
    for (;;) {
        if (!server.next()) return -1;
        puts("a connection");
        if (fork() > 0) { server.hangup(); continue; }
        server.leave();
        puts("served by a process of its own");
        char room[1024];
        while (memset(room, 0, sizeof(room)), server.get(room, sizeof(room) - 1) > 0) {
            printf("<- %s\n", room);
            strcpy(room, "成功接收");
            if (server.put(room, strlen(room)) <= 0) break;
            printf("-> %s\n", room);
        }
        puts("the end of it");
        return 0;
    }
}
