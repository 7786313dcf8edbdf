package main

var rulesFailing = group{
	title: "The rules: transactions that fail", in: "backend/rules/", pkg: "./examples/boltstore", prefix: "Test",
	suite: "^Test(Conformance|Transactions)$",
	defects: []defect{
		{"a step fails whose look at those before it failed", "queue.go",
			"\tcase err != nil:\n\t\treturn err\n\tcase len(us) == 0:",
			"\tcase len(us) == 0:",
			"Conformance/Transaction/CallFailsInAcquireInLine"},
		{"a renewal fails whose hint to the next failed", "renew.go",
			"\t\tif err := s.hint(r); err != nil {\n\t\t\treturn backend.RenewReply{}, err\n\t\t}\n",
			"\t\t_ = s.hint(r)\n",
			"Conformance/Transaction/CallFailsInRenew"},
		{"a release fails whose search for the next failed", "release.go",
			"\tend, err := s.release(a.Ref)\n\tif err == nil {\n\t\terr = s.wake()\n\t}\n",
			"\tend, err := s.release(a.Ref)\n\tif err == nil {\n\t\t_ = s.wake()\n\t}\n",
			"Conformance/Transaction/CallFailsInRelease"},
	},
}
