package config

func checkNode(r *reader, n *Node) {}
