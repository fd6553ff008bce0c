"""The Lava CPU simulator, driven from outside: it lives in an interpreter of its own (`environment`, `worker`)."""
