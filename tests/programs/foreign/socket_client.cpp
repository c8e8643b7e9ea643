// Another author's socket_client.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

class Guest {
    int m_fd = 0;
    bool give_up() { close(m_fd); m_fd = 0; return false; }
public:
    ~Guest() { if (m_fd > 0) close(m_fd); }
    bool visit(const char *name, int port)
    {
        m_fd = socket(AF_INET, SOCK_STREAM, 0);
        hostent *host = gethostbyname(name);
        if (!host) return give_up();
        sockaddr_in there{};
        there.sin_family = AF_INET;
        there.sin_port = htons(port);
        memcpy(&there.sin_addr, host->h_addr, host->h_length);
        return connect(m_fd, (sockaddr *)&there, sizeof(there)) == 0 || give_up();
    }
    bool tell(const char *text) { return send(m_fd, text, strlen(text), 0) > 0; }
    bool hear(char *room, int size) { memset(room, 0, size); return recv(m_fd, room, size - 1, 0) > 0; }
};

int main()
{
    Guest guest;
    if (!guest.visit("127.0.0.1", 5051)) { printf("nobody at home\n"); return -1; }
    char room[1025];
    for (int n = 1; n < 51; n++) {
        sprintf(room, "这是第%d个超级女生，编号%03d。", n, n);
        if (!guest.tell(room)) break;
        printf("I said %s\n", room);
        if (!guest.hear(room, sizeof(room))) break;
        printf("I heard %s\n", room);
        sleep(1);
    }
    return 0;
}
