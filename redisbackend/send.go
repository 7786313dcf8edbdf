package redisbackend

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// newStoreCombiner returns the combiner of a store, whose replies are answers. If so configured, its batches count only
// once enough replicas have them: then they are followed by WAIT, on the same connection and in the same round trip, as a
// script may not wait.
func newStoreCombiner(client redis.UniversalClient, keys []string, o Options, mind *seen, learn learner) *combiner {
	waiting := append(slices.Clip(keys), keys[0]) // lua/step.lua: repeated calls write something
	return newCombiner(func(ctx context.Context, args []any) ([]any, error) {
		args = append([]any{mind.floor()}, args...)
		if o.WaitReplicas <= 0 || onlyReads(args[1:]) {
			reply, err := program().run(ctx, client, keys, args...)
			if err != nil {
				return nil, err
			}
			return answers(reply, learn)
		}
		reply, replicas, err := runAndWait(ctx, client, waiting, args, o)
		if redis.HasErrorPrefix(err, "MOVED") { // the node was asked directly
			followCluster(ctx, client, nil)
		}
		if err != nil {
			followCluster(ctx, client, err)
			return nil, program().locate(err)
		}
		if replicas < int64(o.WaitReplicas) {
			return nil, fmt.Errorf("%d of %d replicas have it after %v", replicas, o.WaitReplicas, o.WaitTimeout)
		}
		return answers(reply, learn)
	})
}

// learner takes note of the last element of a script's reply, and returns the store's clock.
type learner = func(last any) (now int64, err error)

// answers returns the answers to the operations of a batch, errors and postponements as they are.
func answers(reply any, learn learner) ([]any, error) {
	replies, err := program().replies(reply)
	if err != nil || len(replies) == 0 {
		return replies, err
	}
	last := len(replies) - 1
	now, err := learn(replies[last])
	if err != nil {
		return nil, err
	}
	replies = replies[:last]
	for i, value := range replies {
		if _, failed := value.(error); !failed && value != later {
			replies[i] = answer{value, now}
		}
	}
	return replies, nil
}

// onlyReads says whether no operation of a batch, of which these are the arguments, can change anything.
func onlyReads(args []any) bool {
	for at := 0; at < len(args); at += 2 + args[at+1].(int) {
		switch args[at] {
		case "list", "events", "stats", "config":
		default:
			return false
		}
	}
	return true
}

// masterFinder is a client of a Cluster.
type masterFinder interface {
	MasterForKey(ctx context.Context, key string) (*redis.Client, error)
}

// masterOf returns the node that a key's commands go to: of a Cluster, the master of its slot. A client that wraps one is
// asked by its method.
func masterOf(ctx context.Context, client redis.UniversalClient, key string) (redis.Cmdable, error) {
	if cluster, ok := client.(masterFinder); ok {
		return cluster.MasterForKey(ctx, key)
	}
	return client, nil
}

// runAndWait runs the program and returns its reply and the number of replicas that have what it wrote.
func runAndWait(ctx context.Context, client redis.UniversalClient, keys []string, args []any, o Options) (any, int64, error) {
	node, err := masterOf(ctx, client, keys[0])
	if err != nil {
		return nil, 0, err
	}
	send := func(queue func(redis.Pipeliner) *redis.Cmd) (any, int64, error) {
		var run, wait *redis.Cmd
		_, err := node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			run = queue(pipe)
			wait = pipe.Do(ctx, "WAIT", o.WaitReplicas, max(1, o.WaitTimeout.Milliseconds())) // 0 would wait for ever
			return nil
		})
		if run.Err() != nil {
			return nil, 0, run.Err()
		}
		if err != nil {
			return nil, 0, err
		}
		replicas, err := wait.Int64()
		return run.Val(), replicas, err
	}
	reply, replicas, err := send(func(pipe redis.Pipeliner) *redis.Cmd {
		return pipe.EvalSha(ctx, program().hash, keys, args...)
	})
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, replicas, err = send(func(pipe redis.Pipeliner) *redis.Cmd {
			return pipe.Eval(ctx, program().source, keys, args...)
		})
	}
	return reply, replicas, err
}
