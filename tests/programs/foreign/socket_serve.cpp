// Another author's socket_serve.
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const int MOST = 1024;

class Listener {
    int m_door, m_guest;
public:
    Listener() { m_door = m_guest = 0; }
    ~Listener() { shut(m_door); shut(m_guest); }
    static void shut(int &fd) { if (fd > 0) close(fd); fd = 0; }
    bool open(int port);
    bool welcome() { m_guest = accept(m_door, 0, 0); return m_guest > 0; }
    void shutDoor() { shut(m_door); }
    void shutGuest() { shut(m_guest); }
    int tell(const char *text) { return send(m_guest, text, strlen(text), 0); }
    int listenTo(char *room) { return recv(m_guest, room, MOST, 0); }
};

bool Listener::open(int port)
{
    m_door = socket(PF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here;
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(port);
    if (bind(m_door, (struct sockaddr *)&here, sizeof here) == 0 && listen(m_door, 5) == 0) return true;
    close(m_door);
    m_door = 0;
    return false;
}

static void talk(Listener &it)
{
    char room[MOST + 1];
    for (;;) {
        memset(room, 0, sizeof room);
        if (it.listenTo(room) <= 0) return;
        printf("they say %s\n", room);
        if (it.tell("ok") <= 0) return;
        printf("we say ok\n");
    }
}

int main()
{
    signal(SIGCHLD, SIG_IGN);
    Listener it;
    if (!it.open(5051)) { printf("cannot start\n"); return -1; }
    do {
        if (!it.welcome()) { printf("no guest\n"); return -1; }
        if (fork() <= 0) break;
        it.shutGuest();
    } while (true);
    it.shutDoor();
    printf("a guest\n");
    talk(it);
    printf("the guest has left\n");
    return 0;
}
