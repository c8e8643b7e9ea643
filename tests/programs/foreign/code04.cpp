// Another author's code04.
#include <cstdio>
#include <cstring>
#include <iostream>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

class Talker {
    int wire = 0;
public:
    ~Talker() { if (wire != 0) close(wire); }
    bool call(const char *address, int port)
    {
        wire = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in there{};
        there.sin_family = AF_INET;
        there.sin_port = htons(port);
        there.sin_addr.s_addr = inet_addr(address);
        return connect(wire, (sockaddr *)&there, sizeof(there)) == 0;
    }
    bool say(const char *text) { return send(wire, text, strlen(text), 0) > 0; }
    bool hear(char *text, int room) { memset(text, 0, room); return recv(wire, text, room - 1, 0) > 0; }
};

int main()
{
    Talker talker;
    char text[1024];
    if (!talker.call("127.0.0.1", 5051)) { puts("nobody there"); return -1; }
    for (int n = 0; n++ < 10;) {
        sprintf(text, "hello %d", n);
        if (!talker.say(text) || !talker.hear(text, sizeof(text))) break;
        printf("heard %s\n", text);
        sleep(10);
    }
}
